//! Reads the events that tell of Aurora's own write fencing, within a bound of its own: the promotion is done by then, and
//! neither waits for them nor fails with them (X1).

use std::time::Duration;

use aws_sdk_rds::primitives::DateTime;
use failover::contract::{Region, Timestamp};
use failover::runtime::Toolbox;

use crate::plan::Takeover;
use crate::write_fencing::{Event, WriteFencing, judge};

/// How long the reads of both Regions may take together; the old one may be gone.
const READ_TIMEOUT: Duration = Duration::from_secs(2);
/// How far back from the promotion's record events are read, in milliseconds: RDS goes by its own clock.
const CLOCKS_DIFFER_MS: i64 = 5_000;
/// As many events as `DescribeEvents` gives at once; there are few between a promotion and its end.
const MOST_EVENTS: i32 = 100;

/// What the events of the old and the new writer's Region say since the promotion was sent.
pub(crate) async fn read(tools: &Toolbox, takeover: &Takeover, sent_at: Timestamp) -> WriteFencing {
    // A managed failover always has a writer to take over from.
    let old_writer = takeover.expected_writer.as_ref().unwrap_or(&takeover.target);
    let (old, new) = (old_writer.region(), takeover.target.region());
    let (there, here) = tokio::join!(events(tools, &old, sent_at), events(tools, &new, sent_at));
    let mut found = Vec::new();
    let mut problems = Vec::new();
    for events in [there, here] {
        match events {
            Ok(events) => found.extend(events),
            Err(problem) => problems.push(problem),
        }
    }
    let problem = (!problems.is_empty()).then(|| problems.join("; "));
    judge(old_writer, &found, problem.as_deref())
}

async fn events(tools: &Toolbox, region: &Region, sent_at: Timestamp) -> Result<Vec<Event>, String> {
    let rds = aws_sdk_rds::Client::new(&tools.clients.once(region));
    let since = DateTime::from_millis(sent_at.as_millis().saturating_sub(CLOCKS_DIFFER_MS));
    let read = rds.describe_events().start_time(since).max_records(MOST_EVENTS).send();
    let Ok(answer) = tokio::time::timeout(READ_TIMEOUT, tools.calls.call("rds", "DescribeEvents", read)).await else {
        return Err(format!("{region} did not answer within {} s", READ_TIMEOUT.as_secs()));
    };
    let answer = answer.map_err(|error| format!("{region}: {error}"))?;
    let events = answer.events().iter().filter_map(|event| {
        let at = Timestamp::from_millis(event.date()?.to_millis().ok()?);
        Some(Event { at, message: event.message()?.to_owned() })
    });
    Ok(events.collect())
}
