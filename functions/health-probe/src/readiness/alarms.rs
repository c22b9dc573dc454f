//! The alarms' wiring: whether an alarm that fires starts anything, and whether the evidence the plan names exists.
//!
//! A missing alarm says nothing when it would be needed, so it is looked for beforehand. Whatever is wrong here holds up
//! automatic failovers only: a person's order needs no alarm.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_cloudwatch::operation::describe_alarms::DescribeAlarmsOutput;
use failover::aws_call::CallError;
use failover::contract::Finding;
use failover::recovery_plan::RecoveryPlan;
use failover::runtime::Toolbox;
use futures_util::future::join_all;

use crate::HealthProbe;
use crate::evidence::{self, AlarmState};
use crate::look::{self, LOOK_TIMEOUT};

/// How many pages of a topic's subscriptions are read; SNS gives 100 at a time, and this topic has one or two.
const MOST_PAGES: u32 = 5;
/// What is held up.
const BLOCKS: &str = "failovers that this alarm would start, not those that people order";

/// An alarm as CloudWatch describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Wiring {
    name: String,
    arn: String,
    actions_enabled: bool,
    /// What is told when it goes to ALARM.
    actions: Vec<String>,
    state: AlarmState,
}

type Seen = Result<Vec<Wiring>, CallError>;
/// For each topic, whether a subscription of it invokes this function.
type Topics = BTreeMap<String, Result<bool, CallError>>;

/// The findings on every alarm of the plan and of the settings.
pub(super) async fn checks(probe: &HealthProbe, plan: &RecoveryPlan) -> Vec<Finding> {
    let tools = &probe.tools;
    let triggers = &probe.settings.trigger_alarm_arns;
    let names = triggers.iter().map(|arn| evidence::name_of_alarm(arn).to_owned());
    let names: BTreeSet<String> = names.chain(plan.detection.alarm_names.iter().cloned()).collect();
    let names: Vec<String> = names.into_iter().collect();
    let seen: Seen =
        look::describe_alarms(tools, &names, LOOK_TIMEOUT).await.map(|pages| pages.iter().flat_map(wirings).collect());
    let topics = topics(tools, &own_arn(probe), triggers, &seen).await;
    let evidence = plan.detection.alarm_names.iter().map(|name| evidence_alarm(name, &seen));
    let wired = triggers.iter().map(|arn| trigger_starts(arn, &seen, &topics));
    let data = triggers.iter().map(|arn| trigger_has_data(arn, &seen));
    evidence.chain(wired).chain(data).collect()
}

/// This function, as a subscription names it. The partition is that of the state machine it starts.
fn own_arn(probe: &HealthProbe) -> String {
    let config = &probe.tools.config;
    let partition = probe.settings.partition();
    format!("arn:{partition}:lambda:{}:{}:function:{}", config.dr_region, config.account, config.access.function_name)
}

fn wirings(described: &DescribeAlarmsOutput) -> Vec<Wiring> {
    let metric = described.metric_alarms().iter().map(|alarm| Wiring {
        name: alarm.alarm_name().unwrap_or_default().to_owned(),
        arn: alarm.alarm_arn().unwrap_or_default().to_owned(),
        actions_enabled: alarm.actions_enabled().unwrap_or_default(),
        actions: alarm.alarm_actions().to_vec(),
        state: look::state_of(alarm.state_value()),
    });
    let composite = described.composite_alarms().iter().map(|alarm| Wiring {
        name: alarm.alarm_name().unwrap_or_default().to_owned(),
        arn: alarm.alarm_arn().unwrap_or_default().to_owned(),
        actions_enabled: alarm.actions_enabled().unwrap_or_default(),
        actions: alarm.alarm_actions().to_vec(),
        state: look::state_of(alarm.state_value()),
    });
    metric.chain(composite).collect()
}

/// Every topic that a trigger alarm tells, asked for its subscriptions.
async fn topics(tools: &Toolbox, own_arn: &str, triggers: &BTreeSet<String>, seen: &Seen) -> Topics {
    let alarms = seen.iter().flatten().filter(|alarm| triggers.contains(&alarm.arn));
    let topics: BTreeSet<&String> = alarms.flat_map(|alarm| alarm.actions.iter().filter(|arn| is_topic(arn))).collect();
    let asked = topics.into_iter().map(async |topic| (topic.clone(), invokes_this(tools, topic, own_arn).await));
    join_all(asked).await.into_iter().collect()
}

fn is_topic(arn: &str) -> bool {
    arn.split(':').nth(2) == Some("sns")
}

async fn invokes_this(tools: &Toolbox, topic: &str, own_arn: &str) -> Result<bool, CallError> {
    let client = aws_sdk_sns::Client::new(&tools.clients.reading(&tools.config.dr_region));
    let mut next = None;
    for _ in 0..MOST_PAGES {
        let request = client.list_subscriptions_by_topic().topic_arn(topic).set_next_token(next).send();
        let page = tools.calls.call("sns", "ListSubscriptionsByTopic", request).await?;
        let found = page.subscriptions().iter().any(|subscription| {
            subscription.protocol() == Some("lambda") && subscription.endpoint().is_some_and(|to| is_this(to, own_arn))
        });
        next = page.next_token;
        if found || next.is_none() {
            return Ok(found);
        }
    }
    Ok(false)
}

/// A subscription may name a version or an alias behind the function.
fn is_this(endpoint: &str, own_arn: &str) -> bool {
    endpoint.strip_prefix(own_arn).is_some_and(|rest| rest.is_empty() || rest.starts_with(':'))
}

fn evidence_alarm(name: &str, seen: &Seen) -> Finding {
    let check = "evidence-alarm-exists";
    let subject = format!("alarm {name}");
    let alarms = match seen {
        Ok(alarms) => alarms,
        Err(error) => return unreadable(check, subject, error),
    };
    match alarms.iter().find(|alarm| alarm.name == name) {
        None => Finding::blocker(
            check,
            subject,
            "the plan names it as evidence, and there is no such alarm in the orchestrator's Region",
            "the evidence of the alarms, on which automatic failovers stand; not failovers that people order",
            "create the alarm, or correct detection.alarm_names in the plan",
        ),
        Some(alarm) if !alarm.actions_enabled => Finding::warning(
            check,
            subject,
            "exists, but its actions are disabled: it is evidence, and tells nobody",
            "aws cloudwatch enable-alarm-actions",
        ),
        Some(_) => Finding::ok(check, subject, "exists, and its actions are enabled"),
    }
}

/// Whether it would start this function when it fires.
fn trigger_starts(arn: &str, seen: &Seen, topics: &Topics) -> Finding {
    let check = "trigger-alarm-starts-a-run";
    let subject = format!("alarm {}", evidence::name_of_alarm(arn));
    let alarms = match seen {
        Ok(alarms) => alarms,
        Err(error) => return unreadable(check, subject, error),
    };
    let Some(alarm) = alarms.iter().find(|alarm| alarm.arn == arn) else {
        let cure = "deploy the stack again, or correct TRIGGER_ALARM_ARNS";
        return Finding::blocker(check, subject, format!("there is no alarm {arn}"), BLOCKS, cure);
    };
    if !alarm.actions_enabled {
        let cure = "aws cloudwatch enable-alarm-actions; to hold automatic failovers, the kill switch says who and why";
        return Finding::blocker(check, subject, "its actions are disabled", BLOCKS, cure);
    }
    let told: Vec<(&String, &Result<bool, CallError>)> =
        alarm.actions.iter().filter_map(|topic| topics.get_key_value(topic)).collect();
    if let Some((topic, _)) = told.iter().find(|(_, invokes)| matches!(invokes, Ok(true))) {
        return Finding::ok(check, subject, format!("tells {topic}, which invokes this function"));
    }
    if let Some((topic, Err(error))) = told.iter().find(|(_, invokes)| invokes.is_err()) {
        return Finding::unknown(
            check,
            subject,
            format!("whether {topic} invokes this function cannot be read: {error}"),
            "see that health-probe's role permits sns:ListSubscriptionsByTopic on the topic, and check again",
        );
    }
    Finding::blocker(
        check,
        subject,
        "none of its alarm actions is a topic with a subscription that invokes this function",
        BLOCKS,
        "give it the stack's AlarmTopic as alarm action, and subscribe this function to the topic",
    )
}

fn trigger_has_data(arn: &str, seen: &Seen) -> Finding {
    let check = "trigger-alarm-has-data";
    let subject = format!("alarm {}", evidence::name_of_alarm(arn));
    let alarms = match seen {
        Ok(alarms) => alarms,
        Err(error) => return unreadable(check, subject, error),
    };
    match alarms.iter().find(|alarm| alarm.arn == arn).map(|alarm| alarm.state) {
        None => Finding::unknown(check, subject, "there is no such alarm", "create it first"),
        Some(AlarmState::Ok) => Finding::ok(check, subject, "is OK"),
        Some(AlarmState::Alarm) => {
            Finding::ok(check, subject, "is in ALARM: it has fired, and fires again after an OK")
        }
        Some(AlarmState::Undecided) => Finding::warning(
            check,
            subject,
            "has INSUFFICIENT_DATA: as long as nothing is measured it cannot fire",
            "none is needed while the plan is active in another Region than the alarm watches, or for some minutes after \
             the stack was deployed; otherwise see who publishes its metric",
        ),
    }
}

fn unreadable(check: &str, subject: String, error: &CallError) -> Finding {
    let cure = "see that health-probe's role permits cloudwatch:DescribeAlarms, and check again";
    Finding::unknown(check, subject, error.to_string(), cure)
}

#[cfg(test)]
mod tests {
    use failover::contract::Severity;

    use super::*;

    const ARN: &str = "arn:aws:cloudwatch:eu-west-1:123456789012:alarm:endpoint";
    const TOPIC: &str = "arn:aws:sns:eu-west-1:123456789012:alarms";
    const OTHER: &str = "arn:aws:sns:eu-west-1:123456789012:people";
    const PROBE: &str = "arn:aws:lambda:eu-west-1:123456789012:function:failover-dev-health-probe";

    fn alarm() -> Wiring {
        Wiring {
            name: "endpoint".to_owned(),
            arn: ARN.to_owned(),
            actions_enabled: true,
            actions: vec![OTHER.to_owned(), TOPIC.to_owned()],
            state: AlarmState::Ok,
        }
    }

    fn failed() -> CallError {
        CallError::rejected("cloudwatch", "DescribeAlarms", "AccessDenied", "no")
    }

    fn topics(other: Result<bool, CallError>, topic: Result<bool, CallError>) -> Topics {
        Topics::from([(OTHER.to_owned(), other), (TOPIC.to_owned(), topic)])
    }

    #[test]
    fn an_alarm_the_plan_names_has_to_exist() {
        let disabled = Wiring { actions_enabled: false, ..alarm() };
        for (seen, severity) in [
            (Ok(vec![alarm()]), Severity::Ok),
            (Ok(vec![disabled]), Severity::Warning),
            (Ok(Vec::new()), Severity::Blocker),
            (Err(failed()), Severity::Unknown),
        ] {
            let finding = evidence_alarm("endpoint", &seen);
            assert_eq!(finding.severity, severity, "{finding:?}");
            let blocks_people =
                finding.blocks.is_some_and(|blocks| !blocks.contains("not failovers that people order"));
            assert!(!blocks_people);
        }
    }

    #[test]
    fn a_trigger_alarm_starts_a_run_only_if_a_topic_it_tells_invokes_this_function() {
        let denied = || Err(CallError::rejected("sns", "ListSubscriptionsByTopic", "AuthorizationError", "no"));
        let one = |alarm| Ok(vec![alarm]);
        let silent = Wiring { actions: Vec::new(), ..alarm() };
        let disabled = Wiring { actions_enabled: false, ..alarm() };
        let namesake = Wiring { arn: ARN.replace("eu-west-1", "eu-north-1"), ..alarm() };
        for (seen, topics, severity, words) in [
            (one(alarm()), topics(Ok(false), Ok(true)), Severity::Ok, TOPIC),
            (one(alarm()), topics(denied(), Ok(true)), Severity::Ok, TOPIC),
            (one(alarm()), topics(Ok(false), denied()), Severity::Unknown, "AuthorizationError"),
            (one(alarm()), topics(Ok(false), Ok(false)), Severity::Blocker, "none of its alarm actions"),
            (one(silent), topics(Ok(true), Ok(true)), Severity::Blocker, "none of its alarm actions"),
            (one(disabled), topics(Ok(false), Ok(true)), Severity::Blocker, "disabled"),
            (one(namesake), topics(Ok(false), Ok(true)), Severity::Blocker, "there is no alarm"),
            (Err(failed()), Topics::new(), Severity::Unknown, "AccessDenied"),
        ] {
            let finding = trigger_starts(ARN, &seen, &topics);
            assert_eq!(finding.severity, severity, "{finding:?}");
            assert!(finding.message.contains(words), "{finding:?}");
            let blocks = finding.blocks.unwrap_or_default();
            assert_eq!(blocks.contains("not those that people order"), severity == Severity::Blocker);
        }
    }

    #[test]
    fn a_trigger_alarm_without_data_cannot_fire() {
        for (seen, severity) in [
            (Ok(vec![alarm()]), Severity::Ok),
            (Ok(vec![Wiring { state: AlarmState::Alarm, ..alarm() }]), Severity::Ok),
            (Ok(vec![Wiring { state: AlarmState::Undecided, ..alarm() }]), Severity::Warning),
            (Ok(Vec::new()), Severity::Unknown),
            (Err(failed()), Severity::Unknown),
        ] {
            assert_eq!(trigger_has_data(ARN, &seen).severity, severity, "{seen:?}");
        }
    }

    #[test]
    fn a_subscription_may_name_an_alias_but_no_other_function() {
        assert!(is_this(PROBE, PROBE) && is_this(&format!("{PROBE}:live"), PROBE));
        assert!(!is_this(&format!("{PROBE}-2"), PROBE));
        assert!(is_topic(TOPIC) && !is_topic(PROBE));
    }
}
