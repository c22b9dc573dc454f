//! Whether `watch`, which runs without the plan document, looks after what the plan names. Pure.

use failover::contract::{Finding, Region};
use failover::recovery_plan::RecoveryPlan;

use crate::settings::Watched;

/// One finding for the Regions, and one for the writer lease.
pub(crate) fn agrees(plan: &RecoveryPlan, watched: &Watched) -> [Finding; 2] {
    let subject = format!("plan {}", plan.name);
    [regions(&subject, plan, watched), writer_lease(&subject, plan, watched)]
}

fn regions(subject: &str, plan: &RecoveryPlan, watched: &Watched) -> Finding {
    let check = "watch-knows-the-regions";
    let missing: Vec<&str> =
        plan.regions().filter(|region| !watched.endpoints.contains_key(*region)).map(Region::as_str).collect();
    if !missing.is_empty() {
        return Finding::warning(
            check,
            subject,
            format!("WATCHED_ENDPOINTS has no endpoint in {}: nothing is watched while it serves", missing.join(", ")),
            "name it in the stack's parameter MoreEndpoints",
        );
    }
    if watched.home != plan.home_region {
        return Finding::warning(
            check,
            subject,
            format!(
                "before the first failover {} is watched, and the plan's home is {}",
                watched.home, plan.home_region
            ),
            "give the stack's parameter PrimaryRegion and the plan document the same home Region",
        );
    }
    Finding::ok(check, subject, "every Region of the plan can be watched")
}

/// Without the plan's word a failover does not wait for the lease that `watch` grants, and two Regions could write.
fn writer_lease(subject: &str, plan: &RecoveryPlan, watched: &Watched) -> Finding {
    let check = "writer-lease-agrees";
    let cure = "give the stack's parameter WriterLeaseSeconds and the plan's writer_lease_seconds the same value";
    let granted = watched.writer_lease.map(|length| length.as_secs());
    match (plan.writer_lease_seconds.map(u64::from), granted) {
        (None, None) => Finding::ok(check, subject, "applications hold no lease"),
        (Some(planned), Some(granted)) if planned == granted => {
            Finding::ok(check, subject, format!("applications may write for {granted} s at a time"))
        }
        (Some(planned), Some(granted)) => {
            Finding::warning(check, subject, format!("watch grants {granted} s, and a failover {planned} s"), cure)
        }
        (None, Some(granted)) => {
            let found = format!("watch grants applications {granted} s, and the plan has no writer_lease_seconds");
            Finding::blocker(check, subject, found, "waiting until the old Region's applications may not write", cure)
        }
        (Some(_), None) => {
            let found = "the plan has a writer lease, and watch renews none";
            Finding::blocker(check, subject, found, "writing in the new Region once the lease has run out", cure)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use failover::contract::Severity;

    use super::*;
    use crate::http_probe::Url;
    use crate::readiness::tests::plan;

    fn watched(plan: &RecoveryPlan) -> Watched {
        let url = || Url::parse("https://app.example.com/health").expect("a URL");
        Watched {
            home: plan.home_region.clone(),
            endpoints: plan.regions().map(|region| (region.clone(), url())).collect(),
            clusters: [].into(),
            table: None,
            writer_lease: plan.writer_lease_seconds.map(|seconds| Duration::from_secs(seconds.into())),
        }
    }

    #[test]
    fn a_stack_that_fits_its_plan_is_well() {
        let plan = plan();
        let findings = agrees(&plan, &watched(&plan));
        assert!(findings.iter().all(|finding| finding.severity == Severity::Ok), "{findings:?}");
    }

    #[test]
    fn a_region_that_nobody_watches_and_another_home_are_named() {
        let mut plan = plan();
        let known = watched(&plan);
        plan.standby_regions.push(Region::parse("eu-north-1").expect("a Region"));
        let [finding, _] = agrees(&plan, &known);
        assert_eq!(finding.severity, Severity::Warning);
        assert!(finding.message.contains("eu-north-1"), "{finding:?}");
        let elsewhere = Watched { home: Region::parse("eu-north-1").expect("a Region"), ..watched(&plan) };
        let [finding, _] = agrees(&plan, &elsewhere);
        assert_eq!(finding.severity, Severity::Warning);
        assert!(finding.message.contains("eu-north-1"), "{finding:?}");
    }

    #[test]
    fn a_lease_that_only_one_of_the_two_knows_blocks_and_another_length_is_a_warning() {
        let seconds = |seconds: u64| Some(Duration::from_secs(seconds));
        for (planned, granted, expected) in [
            (None, None, Severity::Ok),
            (Some(150), seconds(150), Severity::Ok),
            (Some(150), seconds(180), Severity::Warning),
            (None, seconds(150), Severity::Blocker),
            (Some(150), None, Severity::Blocker),
        ] {
            let plan = RecoveryPlan { writer_lease_seconds: planned, ..plan() };
            let [_, finding] = agrees(&plan, &Watched { writer_lease: granted, ..watched(&plan) });
            assert_eq!(finding.severity, expected, "{planned:?} {granted:?}: {finding:?}");
        }
    }
}
