//! Whether the writer lease kept two Regions from writing (X1).

use super::Check;
use super::fencing::PROMOTION;
use crate::moment::Moment;
use crate::stage::{Evidence, Run};
use crate::world::Site;

/// The promotion was sent only after the applications of the old Region had lost the right to write.
#[must_use]
pub fn promoted_after_the_lease(evidence: &Evidence) -> Check {
    let claim = "the promotion was sent only after the old Region's writer lease had run out";
    let promoted = evidence.calls.iter().find(|call| call.operation == PROMOTION).map(|call| Moment::from(call.at));
    let (Some(promoted), Some(ends)) = (promoted, evidence.lease_ends) else {
        return Check::new(claim, false, "there was no promotion or no lease");
    };
    let found = format!("{} ms after it", promoted.since(ends).as_millis());
    Check::new(claim, promoted > ends, found)
}

/// By the ledger, this Region's applications may write.
#[must_use]
pub fn lease_held_by(evidence: &Evidence, site: Site) -> Check {
    let plan = evidence.ledger.iter().find(|item| item.is_plan());
    let holder = plan.and_then(|plan| plan.attributes.get("writer_region")).map_or("nobody", String::as_str);
    Check::new(format!("the writer lease is that of {site}"), holder == site.region(), holder)
}

/// The run's report says that the lease was waited out.
#[must_use]
pub fn lease_reported(evidence: &Evidence, run: &Run) -> Check {
    let target = format!("writer lease of plan {}", evidence.orchestrator.workload);
    let reported = run.execution.output["fences"].as_array().map(Vec::as_slice).unwrap_or_default();
    let outcomes = reported.iter().filter(|fence| fence["target"] == target.as_str());
    let outcomes: Vec<&str> = outcomes.filter_map(|fence| fence["outcome"].as_str()).collect();
    Check::new("the report says of the writer lease: confirmed", outcomes == ["confirmed"], outcomes.join(", "))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;
    use crate::recorded;

    #[test]
    fn a_promotion_before_the_lease_has_run_out_is_seen() {
        let mut evidence = recorded::evidence();
        assert!(!promoted_after_the_lease(&evidence).passed, "no lease");
        let promoted = evidence.calls.iter().find(|call| call.operation == PROMOTION).expect("a promotion").at;
        evidence.lease_ends = Some(Moment::from(promoted - Duration::from_millis(1)));
        assert!(promoted_after_the_lease(&evidence).passed);
        evidence.lease_ends = Some(Moment::from(promoted + Duration::from_millis(1)));
        assert!(!promoted_after_the_lease(&evidence).passed);
        evidence.calls.retain(|call| call.operation != PROMOTION);
        assert!(!promoted_after_the_lease(&evidence).passed, "nothing was promoted");
    }

    #[test]
    fn the_holder_is_read_from_the_plans_item() {
        let mut evidence = recorded::evidence();
        assert!(!lease_held_by(&evidence, Site::Standby).passed);
        let plan = evidence.ledger.iter_mut().find(|item| item.is_plan()).expect("an item");
        plan.attributes.insert("writer_region".to_owned(), Site::Standby.region().to_owned());
        assert!(lease_held_by(&evidence, Site::Standby).passed);
        assert!(!lease_held_by(&evidence, Site::Primary).passed);
    }

    #[test]
    fn the_report_has_to_say_that_the_lease_was_waited_out() {
        let (evidence, mut run) = (recorded::evidence(), recorded::run());
        assert!(!lease_reported(&evidence, &run).passed);
        for (outcome, expected) in [("confirmed", true), ("unknown", false)] {
            run.execution.output["fences"] = json!([{ "target": "writer lease of plan trading", "outcome": outcome }]);
            assert_eq!(lease_reported(&evidence, &run).passed, expected);
        }
    }
}
