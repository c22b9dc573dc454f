//! Whether a failover that was stopped half way was carried to its end (X7).

use super::{Check, counted, listed};
use crate::stage::Evidence;

/// The state machine was stopped so often, and continued each time as the same failover; the last execution succeeded.
#[must_use]
pub fn stopped_and_continued(evidence: &Evidence, times: usize) -> Check {
    let executions = &evidence.executions;
    let statuses: Vec<&str> = executions.iter().map(|execution| execution.status.as_str()).collect();
    let mut expected = vec!["ABORTED"; times];
    expected.push("SUCCEEDED");
    let follow = |pair: &[crate::execution::Execution]| pair[0].next_name() == pair[1].name;
    let in_line = executions.windows(2).all(follow);
    let claim = format!("the failover was stopped and continued {}, and succeeded", counted(times, "time"));
    let found = executions.iter().map(|execution| format!("{}: {}", execution.name, execution.status));
    Check::new(claim, statuses == expected && in_line, listed(found))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recorded;

    #[test]
    fn a_failover_is_continued_under_its_own_name_until_it_succeeds() {
        let mut evidence = recorded::evidence();
        assert!(stopped_and_continued(&evidence, 0).passed);
        let mut second = evidence.executions[0].clone();
        second.name = second.next_name();
        evidence.executions[0].status = "ABORTED".to_owned();
        evidence.executions.push(second);
        assert!(stopped_and_continued(&evidence, 1).passed);
        assert!(!stopped_and_continued(&evidence, 2).passed);
        evidence.executions[1].status = "FAILED".to_owned();
        assert!(!stopped_and_continued(&evidence, 1).passed);
        evidence.executions[1].status = "SUCCEEDED".to_owned();
        evidence.executions[1].name = "alarm-other--2".to_owned();
        assert!(!stopped_and_continued(&evidence, 1).passed);
    }
}
