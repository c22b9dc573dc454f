//! The scenarios. A new one is a file here and an entry in [`ALL`].

mod both_regions_trigger_at_once;
mod cooldown_flap;
mod dry_run;
mod duplicate_alarm;
mod failback;
mod false_alarm;
mod fence_timeout;
mod kill_switch;
mod lag_refused;
mod lag_timed_out;
mod lag_too_high;
mod planned_switchover;
mod primary_half_alive;
mod region_loss;
mod resume;
mod resume_waiting;
mod route53_control_plane_down;
mod three_regions;
mod two_plans_at_once;
mod waves;
mod writer_lease;

use std::future::Future;
use std::pin::Pin;

use crate::error::Result;
use crate::stage::{Evidence, Run, Stage};
use crate::staging::{Fencing, Staging};
use crate::verdict::{self, Check};
use crate::world::{Site, WORKLOAD_SERVICES};

/// A scenario's play.
pub type Play<'a> = Pin<Box<dyn Future<Output = Result<()>> + Send + 'a>>;

/// Something that happens to the world, and what has to come of it.
pub trait Scenario: Sync {
    /// Its name on the command line.
    fn name(&self) -> &'static str;

    /// What it does, in one sentence.
    fn does(&self) -> &'static str;

    /// What it expects of the product, in one sentence.
    fn expects(&self) -> &'static str;

    /// What it is played on.
    fn staging(&self) -> Staging {
        Staging::default()
    }

    /// Plays it: breaks things, then waits for the product.
    fn play<'a>(&'a self, stage: &'a mut Stage) -> Play<'a>;

    /// Judges what is left.
    fn judge(&self, evidence: &Evidence) -> Vec<Check>;
}

/// All scenarios; the first one runs when none is named.
pub const ALL: [&dyn Scenario; 24] = [
    &region_loss::RegionLoss,
    &planned_switchover::PlannedSwitchover,
    &false_alarm::FalseAlarm,
    &duplicate_alarm::DuplicateAlarm,
    &failback::Failback,
    &dry_run::DryRun,
    &kill_switch::KillSwitch,
    &cooldown_flap::CooldownFlap,
    &lag_too_high::LagTooHigh,
    &lag_refused::LagRefused,
    &lag_timed_out::LagTimedOut,
    &primary_half_alive::PrimaryHalfAlive,
    &fence_timeout::FenceTimeout::BestEffort,
    &fence_timeout::FenceTimeout::Approved,
    &fence_timeout::FenceTimeout::Declined,
    &fence_timeout::FenceTimeout::Off,
    &route53_control_plane_down::Route53ControlPlaneDown,
    &writer_lease::WriterLease,
    &waves::Waves,
    &three_regions::ThreeRegions,
    &two_plans_at_once::TwoPlansAtOnce,
    &both_regions_trigger_at_once::BothRegionsTriggerAtOnce,
    &resume::Resume,
    &resume_waiting::ResumeWaiting,
];

/// Finds a scenario by its name.
#[must_use]
pub fn by_name(name: &str) -> Option<&'static dyn Scenario> {
    ALL.into_iter().find(|scenario| scenario.name() == name)
}

/// What holds after each successful move of the workload to `site`.
fn moved_to(evidence: &Evidence, site: Site) -> Vec<Check> {
    let mut checks = stands_at(evidence, site, None);
    checks.push(verdict::endpoint_answers(evidence, site));
    checks
}

/// The same, whether or not the Region was lost afterwards, and with a Region that was fenced meanwhile.
fn stands_at(evidence: &Evidence, site: Site, fenced: Option<Site>) -> Vec<Check> {
    let mut checks = vec![
        verdict::writer_at(evidence, site),
        verdict::services_run_at(evidence, site),
        verdict::minimum_raised_at(evidence, site),
        verdict::nothing_scaled_down(evidence, fenced),
        verdict::other_services_untouched(evidence),
        verdict::other_records_untouched(evidence),
        verdict::ledger_has_nothing_else(evidence),
        verdict::nothing_denied(evidence),
        verdict::nothing_undelivered(evidence),
    ];
    checks.extend(verdict::traffic_at(evidence, site));
    checks
}

/// What holds of each run that moved the workload: one operation per step, people told, true figures.
fn well_run(evidence: &Evidence, run: &Run) -> [Check; 5] {
    let mut steps = vec!["decide", "promote-aurora", "scale-ecs", "shift-dns"];
    if evidence.waves {
        // One for each wave.
        steps.push("scale-ecs");
    }
    let mut told = vec!["started", "succeeded"];
    if run.by_alarm() {
        // A person's order needs no trigger.
        steps.push("trigger");
        told.push("considered");
    }
    if run.unplanned && evidence.fencing != Fencing::Off {
        steps.push("fences");
    }
    [
        verdict::ledger_complete(evidence, run, &steps),
        verdict::people_told(run, &told),
        verdict::traced(evidence, run, &["promote-aurora", "scale-ecs", "shift-dns"]),
        verdict::rto_is_true(run),
        verdict::rpo_is_true(run),
    ]
}

/// What holds of each run that a gate held back; its reason names the gate.
fn stood_down(evidence: &Evidence, run: &Run, reason: &str) -> [Check; 4] {
    [
        verdict::decided(run, "stand_down"),
        verdict::reason_names(run, reason),
        verdict::people_told(run, &["considered", "stood down"]),
        verdict::ledger_complete(evidence, run, &["trigger"]),
    ]
}

/// What holds after a single unplanned failover to `site` that nothing interrupted.
fn failed_over_once(evidence: &Evidence, site: Site) -> Vec<Check> {
    let mut checks = vec![verdict::executions_succeeded(evidence, 1)];
    checks.extend(moved_to(evidence, site));
    checks.push(verdict::changes_made(evidence, &failover_changes()));
    checks.push(verdict::plan_concluded(evidence, 1, site));
    checks.extend(evidence.runs.iter().flat_map(|run| well_run(evidence, run)));
    checks
}

/// What holds when nothing was moved.
fn nothing_moved(evidence: &Evidence) -> [Check; 6] {
    [
        verdict::changes_made(evidence, &[]),
        verdict::world_unchanged(evidence),
        verdict::no_generation_claimed(evidence),
        verdict::ledger_has_nothing_else(evidence),
        verdict::nothing_denied(evidence),
        verdict::nothing_undelivered(evidence),
    ]
}

/// The changes of one unplanned failover.
#[must_use]
pub fn failover_changes() -> Vec<(&'static str, u32)> {
    changes("rds:FailoverGlobalCluster")
}

/// The changes of one planned move to a Region that stands by.
fn switchover_changes() -> Vec<(&'static str, u32)> {
    changes("rds:SwitchoverGlobalCluster")
}

fn changes(promotion: &'static str) -> Vec<(&'static str, u32)> {
    let services = u32::try_from(WORKLOAD_SERVICES.len()).unwrap_or(u32::MAX);
    vec![
        (promotion, 1),
        ("application-autoscaling:RegisterScalableTarget", services),
        ("ecs:UpdateService", services),
        ("route53:ChangeResourceRecordSets", 1),
    ]
}

/// The changes of an unplanned failover and of the planned move back.
fn there_and_back_changes() -> Vec<(&'static str, u32)> {
    let mut changes = failover_changes();
    // The primary Region kept its tasks, so nothing has to be scaled there; its records move once more.
    changes.retain(|(action, _)| *action != "route53:ChangeResourceRecordSets");
    changes.extend([("rds:SwitchoverGlobalCluster", 1), ("route53:ChangeResourceRecordSets", 2)]);
    changes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_scenario_has_a_name_of_its_own_and_says_what_it_is() {
        for scenario in ALL {
            let named = ALL.iter().filter(|other| other.name() == scenario.name()).count();
            assert_eq!(named, 1, "{}", scenario.name());
            assert!(by_name(scenario.name()).is_some());
            assert!(scenario.does().ends_with('.') && scenario.expects().ends_with('.'), "{}", scenario.name());
        }
    }

    #[test]
    fn the_loss_of_a_region_is_what_runs_by_default() {
        assert_eq!(ALL[0].name(), "region-loss");
    }
}
