//! The shortest run that still fails: faults are left out one by one as long as the violation stays.

use crate::play::Play;
use crate::run;

/// Leaves out whatever the first violation does not need. A run that violates nothing is returned as it is.
#[must_use]
pub fn shrink(play: &Play) -> Play {
    let Some(property) = violated(play) else { return play.clone() };
    let mut shortest = play.clone();
    let mut index = 0;
    while index < shortest.faults.len() {
        let mut shorter = shortest.clone();
        shorter.faults.remove(index);
        if violated(&shorter).as_deref() == Some(property.as_str()) {
            shortest = shorter;
        } else {
            index += 1;
        }
    }
    shortest
}

/// The property that a run violates first.
fn violated(play: &Play) -> Option<String> {
    let verdict = run::play(play);
    verdict.violations.first().map(|violation| violation.split(':').next().unwrap_or_default().to_owned())
}
