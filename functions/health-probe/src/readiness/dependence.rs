//! What of AWS the plan's traffic depends on (X6), and how far the target is behind (X3). Pure.

use failover::contract::{Finding, Region};
use failover::recovery_plan::RecoveryPlan;

use crate::evidence::Lag;

/// For each strategy, whether it can move the traffic while the Region that is left is lost.
pub(super) fn of_traffic(plan: &RecoveryPlan, source: &Region) -> Vec<Finding> {
    let check = "traffic-does-without-the-region";
    let findings = plan.traffic.iter().map(|traffic| {
        let subject = format!("traffic {}", traffic.key());
        let planes = traffic.control_planes();
        if let Some(plane) = planes.iter().find(|plane| plane.needs(source)) {
            return Finding::warning(
                check,
                subject,
                format!("needs the {plane}: in {source}, the very Region that would be left"),
                "move this traffic by something that stands elsewhere: standby_object or routing_control",
            );
        }
        let names = planes.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
        let note = match planes.iter().find(|plane| plane.needs(&Region::us_east_1())) {
            Some(_) => ", so no failover finishes by itself while that Region is impaired",
            None => "",
        };
        Finding::ok(check, subject, format!("needs the {names}{note}"))
    });
    findings.collect()
}

/// Whether an automatic run would go on, or ask a person because too much may be lost.
pub(super) fn of_lag(plan: &RecoveryPlan, lag: &Lag) -> Finding {
    let check = "lag-within-the-objective";
    let subject = format!("plan {}", plan.name);
    let limit_ms = plan.detection.max_rpo_ms;
    match lag {
        Lag::NotReplicated => Finding::ok(check, subject, "nothing is replicated by Aurora"),
        Lag::Reading { ms, at } if *ms <= limit_ms => {
            Finding::ok(check, subject, format!("{ms} ms at {at}, {limit_ms} ms are allowed"))
        }
        Lag::Reading { ms, at } => Finding::warning(
            check,
            subject,
            format!("{ms} ms at {at}, {limit_ms} ms are allowed: an automatic run would ask a person"),
            "see what holds the replication back: the load of the writer, the size of the secondary's instances",
        ),
        Lag::Unknown(why) => Finding::unknown(
            check,
            subject,
            format!("{why}: an automatic run would ask a person"),
            "see that the secondary cluster has an instance and publishes AuroraGlobalDBReplicationLag in its Region",
        ),
    }
}

#[cfg(test)]
mod tests {
    use failover::contract::{Severity, Timestamp};
    use serde_json::json;

    use super::*;
    use crate::readiness::tests::plan;

    fn judged(traffic: serde_json::Value, source: &str) -> (Severity, String) {
        let mut plan = plan();
        plan.traffic = vec![serde_json::from_value(traffic).expect("a strategy")];
        let findings = of_traffic(&plan, &Region::parse(source).expect("a Region"));
        assert_eq!(findings.len(), 1);
        (findings[0].severity, findings[0].message.clone())
    }

    #[test]
    fn a_strategy_that_needs_the_region_that_is_left_is_a_warning_that_names_it() {
        let records = json!({ "failover_records": { "hosted_zone_id": "Z1", "records": [] } });
        let (severity, message) = judged(records.clone(), "us-east-1");
        assert_eq!(severity, Severity::Warning);
        assert!(message.contains("route53 control plane, us-east-1"), "{message}");
        let (severity, message) = judged(records, "eu-central-1");
        assert_eq!(severity, Severity::Ok);
        assert!(message.contains("while that Region is impaired"), "{message}");

        let dial = json!({ "traffic_dial": { "endpoint_groups": {} } });
        assert_eq!(judged(dial.clone(), "us-west-2").0, Severity::Warning);
        let (severity, message) = judged(dial, "us-east-1");
        assert_eq!(severity, Severity::Ok);
        assert!(!message.contains("impaired"), "{message}");
    }

    #[test]
    fn one_of_several_endpoints_may_stand_in_the_region_that_is_left() {
        let endpoints = json!({ "us-east-1": "https://a.example.com", "eu-west-1": "https://b.example.com" });
        let controls = json!({ "routing_control": { "cluster_endpoints": endpoints, "controls": {} } });
        assert_eq!(judged(controls, "us-east-1").0, Severity::Ok);
    }

    #[test]
    fn lag_beyond_the_objective_is_a_warning_and_unknown_lag_is_unknown() {
        let plan = plan();
        let limit = plan.detection.max_rpo_ms;
        let reading = |ms| Lag::Reading { ms, at: Timestamp::from_millis(0) };
        for (lag, severity) in [
            (Lag::NotReplicated, Severity::Ok),
            (reading(limit), Severity::Ok),
            (reading(limit + 1), Severity::Warning),
            (Lag::Unknown("trading: throttled".to_owned()), Severity::Unknown),
        ] {
            let finding = of_lag(&plan, &lag);
            assert_eq!(finding.severity, severity, "{finding:?}");
            assert_eq!(finding.message.contains("ask a person"), severity != Severity::Ok, "{finding:?}");
        }
    }
}
