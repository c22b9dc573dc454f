//! Holds what was heard on the two sides against each other, and the differences against those that are listed.

use std::collections::BTreeSet;
use std::fmt::{self, Write as _};

use crate::differences::Difference;
use crate::play::{Heard, OUTCOME};

/// What a side says that does not answer with this field.
const NOTHING: &str = "-";

/// A difference that was found.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Found {
    sequence: &'static str,
    call: &'static str,
    field: String,
    simulation: String,
    emulator: String,
}

/// The differences between what the two sides answered to the same sequence.
///
/// # Panics
/// When they were not asked the same.
pub(crate) fn differences(sequence: &'static str, simulation: &[Heard], emulator: &[Heard]) -> Vec<Found> {
    let calls = |side: &[Heard]| side.iter().map(|heard| heard.call).collect::<Vec<_>>();
    assert_eq!(calls(simulation), calls(emulator), "{sequence}: the same calls on both sides");
    let unique: BTreeSet<&str> = simulation.iter().map(|heard| heard.call).collect();
    assert_eq!(unique.len(), simulation.len(), "{sequence}: no two calls of one name");
    let mut found = Vec::new();
    for (ours, theirs) in simulation.iter().zip(emulator) {
        let mut fields: BTreeSet<&String> = ours.fields.keys().chain(theirs.fields.keys()).collect();
        if ours.fields[OUTCOME] != theirs.fields[OUTCOME] {
            // There is nothing to compare between an answer and an error.
            fields.retain(|field| *field == OUTCOME);
        }
        for field in fields {
            let of = |side: &Heard| side.fields.get(field).map_or(NOTHING, String::as_str).to_owned();
            let (simulation, emulator) = (of(ours), of(theirs));
            if simulation != emulator {
                found.push(Found { sequence, call: ours.call, field: field.clone(), simulation, emulator });
            }
        }
    }
    found
}

/// What is wrong with the list: differences that it does not have, and some that are no more. Empty if it is right.
pub(crate) fn problems(found: &[Found], listed: &[Difference]) -> String {
    let listed: Vec<(Found, &Difference)> =
        listed.iter().flat_map(|listed| each(listed).map(move |found| (found, listed))).collect();
    let mut problems = String::new();
    for new in found.iter().filter(|found| !listed.iter().any(|(listed, _)| listed == *found)) {
        let _ = writeln!(problems, "not listed: {new}");
    }
    for (gone, difference) in listed.iter().filter(|(listed, _)| !found.contains(listed)) {
        let Difference { right, why, source, .. } = difference;
        let _ = writeln!(problems, "no more: {gone}; it was listed as {right:?}, because {why} ({source})");
    }
    problems
}

/// A listed difference, field by field.
fn each(listed: &Difference) -> impl Iterator<Item = Found> {
    let Difference { sequence, call, fields, .. } = *listed;
    fields.iter().map(move |(field, simulation, emulator)| Found {
        sequence,
        call,
        field: (*field).to_owned(),
        simulation: (*simulation).to_owned(),
        emulator: (*emulator).to_owned(),
    })
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { sequence, call, field, simulation, emulator } = self;
        write!(f, "{sequence:?}, {call:?}: ({field:?}, {simulation:?}, {emulator:?})")
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::differences::Right;

    const LISTED: Difference = Difference {
        sequence: "s",
        call: "c",
        fields: &[("f", "1", "2")],
        right: Right::Unsaid,
        why: "nobody knows",
        source: "nowhere",
    };

    fn heard(fields: &[(&str, &str)]) -> Vec<Heard> {
        let outcome = [(OUTCOME.to_owned(), "200".to_owned())];
        let fields = fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        vec![Heard { call: "c", fields: fields.chain(outcome).collect() }]
    }

    #[test]
    fn what_both_say_alike_is_no_difference() {
        assert_eq!(differences("s", &heard(&[("f", "1")]), &heard(&[("f", "1")])), []);
    }

    #[test]
    fn a_difference_is_a_problem_unless_it_is_listed_with_the_same_values() {
        let found = differences("s", &heard(&[("f", "1")]), &heard(&[("f", "2")]));
        assert_eq!(found.len(), 1);
        assert!(problems(&found, &[]).starts_with("not listed: \"s\", \"c\": (\"f\", \"1\", \"2\")"));
        assert_eq!(problems(&found, &[LISTED]), "");
        let other = differences("s", &heard(&[("f", "1")]), &heard(&[("f", "3")]));
        assert_eq!(problems(&other, &[LISTED]).lines().count(), 2, "the new one, and the one that is no more");
    }

    #[test]
    fn a_listed_difference_that_is_no_more_is_a_problem() {
        let problems = problems(&[], &[LISTED]);
        assert!(problems.starts_with("no more: ") && problems.contains("nobody knows (nowhere)"), "{problems}");
    }

    #[test]
    fn a_field_that_one_side_does_not_have_differs() {
        let found = differences("s", &heard(&[("f", "1")]), &heard(&[]));
        assert!(problems(&found, &[]).contains("(\"f\", \"1\", \"-\")"));
    }

    #[test]
    fn of_an_answer_and_an_error_only_the_outcomes_are_compared() {
        let refused = Heard { call: "c", fields: BTreeMap::from([(OUTCOME.to_owned(), "400 Code".to_owned())]) };
        let found = differences("s", &heard(&[("f", "1")]), &[refused]);
        assert_eq!(found.iter().map(|found| found.field.as_str()).collect::<Vec<_>>(), [OUTCOME]);
    }
}
