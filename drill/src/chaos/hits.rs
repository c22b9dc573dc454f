//! Where each fault really struck.

use std::collections::BTreeMap;

use serde::Serialize;

use super::course::Course;
use super::schedule::{Fault, Kind, Schedule, Spell, What};
use crate::gateway::Call;
use crate::moment::Moment;
use crate::orchestrator::function_of;
use crate::stage::Evidence;
use crate::story::Note;

/// What became of a fault.
#[derive(Clone, Debug, Serialize)]
pub struct Struck {
    /// The fault, as it was drawn.
    #[serde(flatten)]
    pub fault: Fault,
    /// Its kind.
    pub kind: Kind,
    /// The fault in words.
    pub text: String,
    /// How many calls it hit; one for an act that was carried out.
    pub hits: usize,
    /// When it struck first.
    pub first_at: Option<Moment>,
    /// The call that it hit first.
    pub first_call: Option<String>,
}

/// What became of each fault of a schedule.
#[must_use]
pub fn struck(schedule: &Schedule, course: &Course, evidence: &Evidence) -> Vec<Struck> {
    schedule.faults.iter().map(|fault| one(fault, course, &evidence.calls)).collect()
}

fn one(fault: &Fault, course: &Course, calls: &[Call]) -> Struck {
    let name = fault.rule_name();
    let hit: Vec<&Call> = calls.iter().filter(|call| call.rules.contains(&name)).collect();
    let carried_out = course.carried_out.get(&fault.number).copied();
    let hits = match fault.what {
        // Nobody sees such a connection but its caller.
        What::Spell(Spell::ConnectionsRefused) => course.refused_connections,
        What::Spell(Spell::KillSwitch) | What::Act(_) => usize::from(carried_out.is_some()),
        What::Calls(..) | What::Spell(_) => hit.len(),
    };
    let first = hit.first();
    Struck {
        fault: fault.clone(),
        kind: fault.what.kind(),
        text: fault.to_string(),
        hits,
        first_at: first.map(|call| Moment::from(call.at)).or(carried_out),
        first_call: first.map(|call| format!("{} {}", function_of(call).unwrap_or("?"), call.iam_action)),
    }
}

/// For the story: when the faults that are about calls hit their first one.
#[must_use]
pub fn notes(struck: &[Struck]) -> Vec<Note> {
    let note = |one: &Struck| {
        let (at, call) = (one.first_at?, one.first_call.as_ref()?);
        let hits = if one.hits == 1 { "its only call".to_owned() } else { format!("the first of {} calls", one.hits) };
        Some(Note { at, text: format!("fault {} hits {hits}: {call}", one.fault.number) })
    };
    struck.iter().filter_map(note).collect()
}

/// How often a kind of fault was drawn, and how often it struck.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Coverage {
    /// Seeds with such a fault.
    pub drawn: usize,
    /// Those among them in which it struck.
    pub struck: usize,
}

/// The coverage of every kind, over several seeds.
#[must_use]
pub fn coverage<'a>(struck: impl IntoIterator<Item = &'a Struck>) -> BTreeMap<Kind, Coverage> {
    let mut kinds: BTreeMap<Kind, Coverage> = Kind::ALL.into_iter().map(|kind| (kind, Coverage::default())).collect();
    for one in struck {
        let coverage = kinds.entry(one.kind).or_default();
        coverage.drawn += 1;
        coverage.struck += usize::from(one.hits > 0);
    }
    kinds
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recorded::{self, course};

    /// A schedule with a fault of this kind.
    fn with(kind: Kind) -> (Schedule, Fault) {
        let of_kind = |fault: &&Fault| fault.what.kind() == kind;
        let drawn = (0..1_000).map(Schedule::draw);
        let mut drawn = drawn.filter_map(|schedule| {
            let fault = schedule.faults.iter().find(of_kind)?.clone();
            Some((schedule, fault))
        });
        drawn.next().expect("a seed with such a fault")
    }

    #[test]
    fn a_fault_struck_where_its_rule_had_a_part_in_a_call() {
        let (schedule, fault) = with(Kind::Throttled);
        let mut evidence = recorded::evidence();
        let place = |all: &[Struck]| all.iter().position(|one| one.kind == Kind::Throttled).expect("it is in the list");
        let before = struck(&schedule, &course(), &evidence);
        assert_eq!(before[place(&before)].hits, 0);
        assert!(notes(&before).is_empty());
        for call in evidence.calls.iter_mut().skip(2).take(2) {
            call.rules = vec![fault.rule_name()];
        }
        let after = struck(&schedule, &course(), &evidence);
        let one = &after[place(&after)];
        assert_eq!((one.hits, one.first_at), (2, Some(Moment::from(evidence.calls[2].at))));
        assert!(notes(&after)[0].text.contains("the first of 2 calls"), "{:?}", notes(&after));
    }

    #[test]
    fn an_act_struck_when_it_was_carried_out_and_refused_connections_are_counted_by_the_callers() {
        let (schedule, fault) = with(Kind::OrderBeside);
        let mut course = course();
        let hits = |schedule: &Schedule, course: &Course, kind| {
            let all = struck(schedule, course, &recorded::evidence());
            all.into_iter().find(|one| one.kind == kind).map(|one| one.hits)
        };
        assert_eq!(hits(&schedule, &course, Kind::OrderBeside), Some(0));
        course.carried_out.insert(fault.number, Moment::default());
        assert_eq!(hits(&schedule, &course, Kind::OrderBeside), Some(1));
        assert_eq!(hits(&with(Kind::ConnectionsRefused).0, &course, Kind::ConnectionsRefused), Some(2));
    }

    #[test]
    fn coverage_tells_what_was_drawn_from_what_struck() {
        let (schedule, fault) = with(Kind::OrderBeside);
        let mut course = course();
        let missed = struck(&schedule, &course, &recorded::evidence());
        course.carried_out.insert(fault.number, Moment::default());
        let hit = struck(&schedule, &course, &recorded::evidence());
        let kinds = coverage(missed.iter().chain(&hit));
        assert_eq!(kinds[&Kind::OrderBeside], Coverage { drawn: 2, struck: 1 });
        assert_eq!(kinds.len(), Kind::ALL.len());
    }
}
