//! The checks of the preflight: all well, something wrong, cannot tell.

#![allow(clippy::expect_used, reason = "a test fails by panicking")]

mod pair;

use failover::contract::{ClusterArn, Finding, PromotionMode, Severity, Timestamp};
use promote_aurora::checks::{
    LAG_IS_OLD, engine_versions_match, global_cluster_exists, members_are_synchronised, parameter_groups_match,
    rebuild, replication_lag, serving_security_groups, source_is_a_member, target_has_an_instance, target_is_a_member,
};
use promote_aurora::plan::{Lag, Member, Observation, Promotion, Source};

use pair::{NOW, frankfurt, in_order, member, members, serving, source, target};

fn failover() -> Promotion {
    serving(PromotionMode::Failover)
}

/// What is seen after this was changed.
fn with(change: impl FnOnce(&mut Observation)) -> Observation {
    let mut seen = in_order();
    change(&mut seen);
    seen
}

fn taken_over() -> Observation {
    with(|seen| {
        members(seen)[0].is_writer = false;
        members(seen)[1].is_writer = true;
    })
}

/// The finding has this severity and these words, and a cure unless all is well.
fn assert_says(finding: &Finding, severity: Severity, words: &str) {
    assert_eq!(finding.severity, severity, "{finding:?}");
    assert!(finding.message.contains(words), "{words:?} in {finding:?}");
    assert_eq!(finding.cure.is_none(), severity == Severity::Ok, "{finding:?}");
    assert_eq!(finding.blocks.is_some(), severity == Severity::Blocker, "{finding:?}");
}

#[test]
fn the_global_cluster_is_there_or_not() {
    assert_says(&global_cluster_exists(&failover(), &in_order()), Severity::Ok, "2 members");
    let none = with(|seen| seen.global = None);
    assert_says(&global_cluster_exists(&failover(), &none), Severity::Blocker, "no such global cluster");
}

#[test]
fn the_target_is_a_member_or_not_or_there_is_no_global_cluster_to_ask() {
    assert_says(&target_is_a_member(&failover(), &in_order()), Severity::Ok, "a member");
    assert_says(&target_is_a_member(&failover(), &taken_over()), Severity::Ok, "the writer already");
    let gone = with(|seen| members(seen).truncate(1));
    assert_says(&target_is_a_member(&failover(), &gone), Severity::Blocker, frankfurt().as_str());
    let none = with(|seen| seen.global = None);
    assert_says(&target_is_a_member(&failover(), &none), Severity::Unknown, "no global cluster");
}

#[test]
fn the_target_has_an_available_instance_or_none_or_is_not_there() {
    assert_says(&target_has_an_instance(&failover(), &in_order()), Severity::Ok, "1 of 1");
    let headless = with(|seen| target(seen).instances.clear());
    assert_says(&target_has_an_instance(&failover(), &headless), Severity::Blocker, "no DB instance");
    let starting = with(|seen| target(seen).instances[0].status = "creating".to_owned());
    assert_says(&target_has_an_instance(&failover(), &starting), Severity::Blocker, "none of its 1");
    let none = with(|seen| seen.target = None);
    assert_says(&target_has_an_instance(&failover(), &none), Severity::Unknown, "no such cluster");
}

#[test]
fn secondaries_are_connected_or_copied_anew_or_do_not_say() {
    let status = |status: Option<&str>| with(|seen| members(seen)[1].synchronization = status.map(str::to_owned));
    let check = |seen: &Observation| members_are_synchronised(&failover(), seen);
    assert_says(&check(&in_order()), Severity::Ok, "trading-dr: connected");
    assert_says(&check(&status(Some("pending-resync"))), Severity::Blocker, "pending-resync");
    assert_says(&check(&status(Some("a status of next year"))), Severity::Warning, "next year");
    assert_says(&check(&status(None)), Severity::Unknown, "not known");
    let alone = with(|seen| members(seen).truncate(1));
    assert_says(&check(&alone), Severity::Unknown, "no secondary");
}

#[test]
fn a_secondary_that_is_not_the_target_and_is_copied_anew_is_a_warning() {
    let seen = with(|seen| {
        let paris = ClusterArn::parse("arn:aws:rds:eu-west-3:123456789012:cluster:trading-fr").expect("an ARN");
        members(seen).push(Member { synchronization: Some("pending-resync".to_owned()), ..member(paris, false) });
    });
    assert_says(&members_are_synchronised(&failover(), &seen), Severity::Warning, "trading-fr: pending-resync");
}

#[test]
fn versions_match_or_block_the_managed_ways_or_are_not_known() {
    let version = |version: &str| with(|seen| seen.source = Some(source("available", version, "trading")));
    let silent = with(|seen| seen.source = Some(Source::Silent { problem: "timed out".to_owned() }));
    for mode in [PromotionMode::Switchover, PromotionMode::Failover, PromotionMode::Detach] {
        let check = |seen: &Observation| engine_versions_match(&serving(mode), seen);
        let differs = if mode == PromotionMode::Detach { Severity::Warning } else { Severity::Blocker };
        assert_says(&check(&in_order()), Severity::Ok, "both have 16.6");
        assert_says(&check(&version("16.4")), differs, "the writer has 16.4");
        assert_says(&check(&version("16.6.1")), Severity::Warning, "16.6.1");
        assert_says(&check(&silent), Severity::Unknown, "timed out");
        assert_says(&check(&with(|seen| seen.source = None)), Severity::Unknown, "not known");
        assert_says(&check(&with(|seen| target(seen).engine_version = None)), Severity::Unknown, "not known");
        assert_says(&check(&taken_over()), Severity::Ok, "the writer itself");
    }
}

#[test]
fn parameter_groups_have_one_name_or_two_or_are_not_known() {
    let check = |seen: &Observation| parameter_groups_match(&failover(), seen);
    assert_says(&check(&in_order()), Severity::Ok, "trading");
    let other = with(|seen| seen.source = Some(source("available", "16.6", "default.aurora-postgresql16")));
    assert_says(&check(&other), Severity::Warning, "default.aurora-postgresql16");
    let behind = with(|seen| target(seen).instances[0].parameters = Some("pending-reboot".to_owned()));
    assert_says(&check(&behind), Severity::Warning, "trading-dr-1");
    let silent = with(|seen| seen.source = Some(Source::Silent { problem: "timed out".to_owned() }));
    assert_says(&check(&silent), Severity::Unknown, "timed out");
    assert_says(&check(&with(|seen| seen.target = None)), Severity::Unknown, "no such cluster");
    assert_says(&check(&taken_over()), Severity::Ok, "the writer itself");
}

#[test]
fn the_lag_is_read_with_its_age_or_old_or_not_known() {
    let read_ago = |ms: i64| {
        let at = Timestamp::from_millis(NOW.as_millis() - ms);
        with(|seen| seen.lag = Some(Lag { ms: 250, at }))
    };
    let check = |seen: &Observation| replication_lag(&failover(), seen, NOW);
    let old = i64::try_from(LAG_IS_OLD.as_millis()).expect("small");
    assert_says(&check(&read_ago(old)), Severity::Ok, "250 ms, read 180 s ago");
    assert_says(&check(&read_ago(old + 1)), Severity::Warning, "250 ms, read 180 s ago");
    assert_says(&check(&with(|seen| seen.lag = None)), Severity::Unknown, "no reading");
    assert_says(&check(&taken_over()), Severity::Ok, "the writer itself");
}

#[test]
fn security_groups_are_those_it_serves_with_or_given_back_or_not_named_or_not_known() {
    let check = |seen: &Observation| serving_security_groups(&failover(), seen);
    assert_says(&check(&in_order()), Severity::Ok, "those it serves with");
    let closed = with(|seen| target(seen).security_groups[0].id = "sg-0c105ed0".to_owned());
    assert_says(&check(&closed), Severity::Warning, "sg-0c105ed0");
    assert_says(&check(&with(|seen| seen.target = None)), Severity::Unknown, "no such cluster");
    let unnamed = Promotion { security_groups: None, ..failover() };
    assert_says(&serving_security_groups(&unnamed, &closed), Severity::Ok, "names none");
}

#[test]
fn a_source_that_is_no_member_blocks_and_one_that_is_not_named_is_not_looked_for() {
    let leaving = |source| Promotion { source: Some(source), ..failover() };
    assert_eq!(source_is_a_member(&failover(), &in_order()), None);
    assert_eq!(source_is_a_member(&leaving(frankfurt()), &with(|seen| seen.global = None)), None);
    let check = |source| source_is_a_member(&leaving(source), &in_order()).expect("a finding");
    assert_says(&check(frankfurt()), Severity::Ok, "a member");
    let elsewhere = ClusterArn::parse("arn:aws:rds:eu-north-1:123456789012:cluster:trading-third").expect("an ARN");
    assert_says(&check(elsewhere), Severity::Blocker, "does not have what it wrote");
}

#[test]
fn what_has_to_be_rebuilt_is_listed_when_the_target_is_no_secondary_and_only_then() {
    assert_eq!(rebuild(&failover(), &in_order()), []);
    assert_eq!(rebuild(&failover(), &taken_over()), []);
    let severities = |findings: Vec<Finding>| -> Vec<(String, Severity)> {
        findings.into_iter().map(|finding| (finding.check, finding.severity)).collect()
    };
    let expected = |global: Severity, parameters: Severity| {
        [
            ("rebuild-global-database", global),
            ("rebuild-secondary-cluster", Severity::Blocker),
            ("rebuild-instance", Severity::Blocker),
            ("rebuild-parameter-group", parameters),
            ("rebuild-synchronisation", Severity::Blocker),
        ]
        .map(|(check, severity)| (check.to_owned(), severity))
    };
    let detached = with(|seen| members(seen).truncate(1));
    assert_eq!(severities(rebuild(&failover(), &detached)), expected(Severity::Ok, Severity::Ok));
    let nothing = Observation { global: None, target: None, ..in_order() };
    assert_eq!(severities(rebuild(&failover(), &nothing)), expected(Severity::Blocker, Severity::Blocker));
    // The old global database, whose writer was left by a detach, is in the way of a switchover back to it.
    let mut alone = taken_over();
    members(&mut alone).remove(0);
    let switchover = serving(PromotionMode::Switchover);
    assert_eq!(severities(rebuild(&switchover, &alone)), expected(Severity::Blocker, Severity::Ok));
    assert_eq!(rebuild(&failover(), &alone), []);
}
