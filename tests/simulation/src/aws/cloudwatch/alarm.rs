//! The stack's alarms, and how a state follows from datapoints. Pure.

use crate::aws::ACCOUNT;
pub(super) use crate::aws::sns::{ALARM_TOPIC, NOTIFICATION_TOPIC};
use crate::workload;

/// How many periods every alarm of the stack needs.
pub(super) const EVALUATION_PERIODS: usize = 2;

/// The state of an alarm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AlarmState {
    /// The threshold is not crossed.
    Ok,
    /// It is.
    Alarm,
    /// There is not enough data.
    InsufficientData,
}

impl AlarmState {
    /// As the API has it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::Alarm => "ALARM",
            Self::InsufficientData => "INSUFFICIENT_DATA",
        }
    }
}

/// What a metric alarm stands on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// `EndpointHealthy` of the home Region.
    Endpoint,
    /// `SourceRegionAnswers` of the home Region.
    RegionApi,
    /// `AuroraGlobalDBReplicationLag` of the standby Region's cluster.
    Lag,
}

/// A metric alarm of the stack. Each has two periods of a minute, and takes missing data as missing.
#[derive(Debug)]
pub struct MetricAlarm {
    /// Its name.
    pub name: &'static str,
    pub(super) description: &'static str,
    pub(super) namespace: &'static str,
    pub(super) metric: &'static str,
    pub(super) statistic: &'static str,
    pub(super) comparison: &'static str,
    pub(super) threshold: f64,
    pub(super) source: Source,
}

/// The stack's trigger alarms.
pub const METRIC_ALARMS: [MetricAlarm; 3] = [
    MetricAlarm {
        name: "failover-prod-trading-endpoint",
        description: "The endpoint in eu-central-1 did not answer any probe for two minutes.",
        namespace: "Failover",
        metric: "EndpointHealthy",
        statistic: "Maximum",
        comparison: "LessThanThreshold",
        threshold: 1.0,
        source: Source::Endpoint,
    },
    MetricAlarm {
        name: "failover-prod-trading-region-api",
        description: "The RDS API in eu-central-1 did not tell of the plan's cluster for two minutes.",
        namespace: "Failover",
        metric: "SourceRegionAnswers",
        statistic: "Maximum",
        comparison: "LessThanThreshold",
        threshold: 1.0,
        source: Source::RegionApi,
    },
    MetricAlarm {
        name: "failover-prod-trading-replication-lag",
        description: "Replication into this Region lags by more than the recovery point objective.",
        namespace: "AWS/RDS",
        metric: "AuroraGlobalDBReplicationLag",
        statistic: "Average",
        comparison: "GreaterThanThreshold",
        threshold: 60_000.0,
        source: Source::Lag,
    },
];

/// The composite alarm's rule.
pub(super) fn composite_rule() -> String {
    let [endpoint, region_api, lag] = &METRIC_ALARMS;
    format!("ALARM(\"{}\") AND (ALARM(\"{}\") OR ALARM(\"{}\"))", endpoint.name, region_api.name, lag.name)
}

/// What that rule says of its children, in the order of [`METRIC_ALARMS`].
pub(super) fn composite(children: &[AlarmState]) -> AlarmState {
    let fires = |place: usize| children.get(place) == Some(&AlarmState::Alarm);
    if fires(0) && (fires(1) || fires(2)) { AlarmState::Alarm } else { AlarmState::Ok }
}

/// Whom the composite alarm tells of a change to this state.
pub(super) const fn composite_tells(state: AlarmState) -> Option<&'static str> {
    match state {
        AlarmState::Alarm | AlarmState::Ok => Some(NOTIFICATION_TOPIC),
        AlarmState::InsufficientData => None,
    }
}

/// The ARN of an alarm of this name.
pub(super) fn arn(name: &str) -> String {
    format!("arn:aws:cloudwatch:{}:{ACCOUNT}:alarm:{name}", workload::STANDBY)
}

impl MetricAlarm {
    fn is_breached_by(&self, value: f64) -> bool {
        match self.comparison {
            "LessThanThreshold" => value < self.threshold,
            _ => value > self.threshold,
        }
    }
}

/// The state that follows from the datapoints, the newest first, with the reason; none when it stays what it is.
///
/// The newest datapoints that there are count, as many as the alarm needs. If there are fewer, the missing ones count for
/// nothing, but a breach alone only once it is as old as the alarm needs periods; if there are none the data is
/// insufficient.
/// Source: <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarms-and-missing-data.html>
pub(super) fn judge(alarm: &MetricAlarm, datapoints: &[Option<f64>]) -> Option<(AlarmState, String)> {
    let there = datapoints.iter().enumerate().filter_map(|(age, value)| value.map(|value| (age, value)));
    let newest: Vec<(usize, f64)> = there.take(EVALUATION_PERIODS).collect();
    let breaches = newest.iter().filter(|(_, value)| alarm.is_breached_by(*value)).count();
    let Some((oldest, value)) = newest.last() else {
        return Some((AlarmState::InsufficientData, "Insufficient Data: no datapoints were received".to_owned()));
    };
    if breaches < newest.len() {
        let reason = format!("Threshold Crossed: a datapoint was within the threshold ({:?}).", alarm.threshold);
        return Some((AlarmState::Ok, reason));
    }
    (oldest + 1 >= EVALUATION_PERIODS).then(|| {
        let reason = format!("Threshold Crossed: {breaches} datapoints, the oldest {value:?} ({:?}).", alarm.threshold);
        (AlarmState::Alarm, reason)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const WELL: Option<f64> = Some(1.0);
    const BAD: Option<f64> = Some(0.0);

    fn of(datapoints: &[Option<f64>]) -> Option<AlarmState> {
        judge(&METRIC_ALARMS[0], datapoints).map(|(state, _)| state)
    }

    #[test]
    fn two_breaches_are_an_alarm_and_one_is_not() {
        assert_eq!(of(&[BAD, BAD, WELL, WELL]), Some(AlarmState::Alarm));
        assert_eq!(of(&[BAD, WELL, WELL, WELL]), Some(AlarmState::Ok));
        assert_eq!(of(&[WELL, BAD, BAD, BAD]), Some(AlarmState::Ok));
    }

    #[test]
    fn missing_data_is_neither_good_nor_bad() {
        assert_eq!(of(&[None, BAD, BAD, WELL]), Some(AlarmState::Alarm));
        assert_eq!(of(&[None, None, None, BAD]), Some(AlarmState::Alarm), "old enough");
        assert_eq!(of(&[BAD, None, None, None]), None, "too new to tell");
        assert_eq!(of(&[None, None, None, WELL]), Some(AlarmState::Ok));
        assert_eq!(of(&[None; 4]), Some(AlarmState::InsufficientData));
    }

    #[test]
    fn the_composite_alarm_wants_the_endpoints_and_one_of_the_others() {
        use AlarmState::{Alarm, InsufficientData, Ok};
        for (children, expected) in [
            ([Alarm, Alarm, Ok], Alarm),
            ([Alarm, Ok, Alarm], Alarm),
            ([Alarm, Ok, InsufficientData], Ok),
            ([Ok, Alarm, Alarm], Ok),
        ] {
            assert_eq!(composite(&children), expected, "{children:?}");
        }
    }
}
