//! What Aurora's own write fencing came to in an unplanned failover (X1). Pure.
//!
//! A managed failover tries to block writes in the storage of the old writer, and goes on if that takes too long; then the
//! old Region may have accepted writes that are lost. An event tells which: RDS-EVENT-0390 "succeeded", RDS-EVENT-0391
//! "timed out". `DescribeEvents` gives no event numbers, so the message is compared. The events are listed with those of DB
//! instances, elsewhere called cluster events, so no source type is asked for. They are recorded in the old writer's
//! Region if that can be reached, otherwise in the new one's.
//! Sources: <https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/aurora-global-database-disaster-recovery.html#aurora-global-database-failover.managed-unplanned>,
//! <https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/USER_Events.Messages.html>

use failover::contract::{ClusterArn, Fenced, Timestamp};
use serde::Serialize;

/// What the events say of the old writer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct WriteFencing {
    /// Whether it was kept from writing. If Aurora timed out, what it wrote since may only be in the snapshot that Aurora
    /// took of it.
    pub outcome: Fenced,
    /// The event's text, or why nothing is known.
    pub detail: String,
    /// When the event was recorded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<Timestamp>,
}

/// An event of RDS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// When it was recorded.
    pub at: Timestamp,
    /// What it says.
    pub message: String,
}

/// What the newest event of them says that is about blocking the writes of `old_writer`. `problem` is why some events could
/// not be read.
#[must_use]
pub fn judge(old_writer: &ClusterArn, events: &[Event], problem: Option<&str>) -> WriteFencing {
    let told = events.iter().filter_map(|event| Some((outcome(old_writer, &event.message)?, event)));
    if let Some((outcome, event)) = told.max_by_key(|(_, event)| event.at) {
        return WriteFencing { outcome, detail: event.message.clone(), at: Some(event.at) };
    }
    let detail = problem.map_or_else(
        || format!("no event tells whether the writes of {old_writer} were blocked"),
        |problem| format!("the events could not all be read: {problem}"),
    );
    WriteFencing { outcome: Fenced::Unknown, detail, at: None }
}

fn outcome(old_writer: &ClusterArn, message: &str) -> Option<Fenced> {
    let (_, rest) = message.split_once("Attempt to block writes for DB cluster ")?;
    let mut words = rest.split_whitespace().map(|word| word.trim_matches(['`', '\'', '"', '.', ',']));
    let (cluster, region) = (old_writer.cluster_id(), old_writer.region());
    let about_it = words.next() == Some(cluster.as_str()) && words.any(|word| word == region.as_str());
    if !about_it {
        return None;
    }
    if rest.contains("succeeded") {
        Some(Fenced::Confirmed)
    } else if rest.contains("timed out") {
        Some(Fenced::TimedOut)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frankfurt() -> ClusterArn {
        ClusterArn::parse("arn:aws:rds:eu-central-1:123456789012:cluster:trading").expect("an ARN")
    }

    fn event(at: i64, message: &str) -> Event {
        Event { at: Timestamp::from_millis(at), message: message.to_owned() }
    }

    const SUCCEEDED: &str = "Attempt to block writes for DB cluster trading in Region eu-central-1 succeeded.";
    const TIMED_OUT: &str = "Attempt to block writes for DB cluster `trading` in Region `eu-central-1` timed out.";

    #[test]
    fn each_event_has_its_outcome_and_its_text() {
        for (message, outcome) in [(SUCCEEDED, Fenced::Confirmed), (TIMED_OUT, Fenced::TimedOut)] {
            let found = judge(&frankfurt(), &[event(1, "DB instance restarted"), event(2, message)], None);
            let at = Some(Timestamp::from_millis(2));
            assert_eq!(found, WriteFencing { outcome, detail: message.to_owned(), at });
        }
    }

    #[test]
    fn the_newest_event_counts_in_whatever_order_they_come() {
        for events in [[event(2, TIMED_OUT), event(1, SUCCEEDED)], [event(1, SUCCEEDED), event(2, TIMED_OUT)]] {
            assert_eq!(judge(&frankfurt(), &events, None).outcome, Fenced::TimedOut);
        }
    }

    #[test]
    fn an_event_about_another_cluster_or_region_says_nothing() {
        for other in [
            SUCCEEDED.replace("trading", "trading-2"),
            SUCCEEDED.replace("eu-central-1", "eu-central-2"),
            SUCCEEDED.replace("succeeded", "began"),
        ] {
            assert_eq!(judge(&frankfurt(), &[event(1, &other)], None).outcome, Fenced::Unknown, "{other}");
        }
    }

    #[test]
    fn without_an_event_it_is_unknown_and_says_why() {
        assert!(judge(&frankfurt(), &[], None).detail.contains("no event tells"));
        assert!(judge(&frankfurt(), &[], Some("timed out")).detail.ends_with("could not all be read: timed out"));
        assert_eq!(judge(&frankfurt(), &[event(1, SUCCEEDED)], Some("timed out")).outcome, Fenced::Confirmed);
    }
}
