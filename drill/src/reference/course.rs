//! What happens on a workload's game day.

use std::time::Duration;

use serde_json::json;

use super::orders::{LAG_MS, LONG_LAG_MS, WorkloadRun};
use super::{Estate, Keeps, stored};
use crate::error::{Error, Result};
use crate::gateway::RuleId;
use crate::moment::Moment;
use crate::progress::Task;
use crate::shop::{Audit, Shop, Stored, Takings, audit};
use crate::story::{Note, Story};

/// The resource that clients ask for.
const PAYMENT_PATH: &str = "/payment";
/// How long clients pay before anything happens.
const QUIET_DAYS: Duration = Duration::from_secs(5);
/// How long the drill's DNS may take to answer with the Region that serves: a new check of the switch is unhealthy
/// until it has failed three times, ten seconds apart.
const DNS_LIMIT: Duration = Duration::from_secs(90);
/// How long clients may take to be served by the other Region: the switch is noticed, and then the record's TTL runs out.
const MOVE_LIMIT: Duration = Duration::from_mins(3);
/// How long what was left open may take to be paid.
const CLOSE_LIMIT: Duration = Duration::from_mins(3);
/// How often the preflight is asked for, while some of its checks could not be made.
const PREFLIGHTS: u32 = 3;
/// What it calls a check that could not be made.
const UNKNOWN: &str = "unknown";
/// The check that cannot be made here: the local AWS has no Service Quotas.
const NOT_HERE: &str = "fargate-quota";
/// How often the drill looks.
const POLL: Duration = Duration::from_millis(200);

/// What happened, and what came of it.
#[derive(Clone, Debug)]
pub struct Course {
    /// What was done and seen.
    pub story: Vec<Note>,
    /// What the preflight found: severity and words.
    pub preflight: Vec<(String, String)>,
    /// The moves, in their order.
    pub moves: Vec<Move>,
    /// What the client saw.
    pub takings: Takings,
    /// That, held against what is in the store of the Region that serves at the end.
    pub audit: Audit,
    /// The state of the workload's own alarm on the replication lag, after that had become long; none when the scenario
    /// does not try it.
    pub lag_alarm: Option<String>,
    /// For stores that both Regions have: whether the other Region's has the same payments.
    pub stores_agree: Option<bool>,
}

/// A run that moved the workload, and the clients' part of it.
#[derive(Clone, Debug)]
pub struct Move {
    /// The run.
    pub run: WorkloadRun,
    /// The Region that it went to.
    pub to: String,
    /// When names or dials led there for the first time.
    pub led_there: Option<Moment>,
    /// When the first payment was acknowledged from there.
    pub paid_there: Option<Moment>,
}

/// The drill at work on one estate.
struct Director<'a> {
    estate: &'a Estate,
    shop: Shop,
    story: Story,
    moves: Vec<Move>,
}

/// Plays it.
///
/// # Errors
/// Whatever keeps it from getting to its end; payments that are lost are no error here.
pub async fn play(estate: &Estate, seed: u64) -> Result<Course> {
    let workload = estate.workload;
    estate.publish_lag(workload.standby(), LAG_MS).await?;
    let task = estate.progress.task("checking that a failover would work");
    let mut preflight = estate.preflight(|state| task.update(state)).await?;
    for _again in 1..PREFLIGHTS {
        // The cure that the product names, too: a machine that is busy may leave a call without an answer.
        if preflight.iter().any(is_unmade) {
            preflight = estate.preflight(|state| task.update(state)).await?;
        }
    }
    task.done(format!("{} checks", preflight.len()));
    await_dns(estate).await?;
    let name = workload.record_name();
    let shop = Shop::open(estate.resolver()?, name, estate.doors.port(), PAYMENT_PATH, seed);
    let mut director = Director { estate, shop, story: Story::new(&estate.progress), moves: Vec::new() };
    director.story.tell(format!("a client pays {name} every 50 ms"));
    director.wait("clients pay", QUIET_DAYS).await;
    let blackout = director.fail_over().await?;
    if workload.fails_back() {
        director.fail_back(blackout).await?;
    }
    director.close(preflight).await
}

/// Waits until names lead to the primary Region.
async fn await_dns(estate: &Estate) -> Result<()> {
    let task = estate.progress.task("waiting until Route 53's health checks have looked");
    let deadline = tokio::time::Instant::now() + DNS_LIMIT;
    let leads_home = || !estate.workload.moves_by_dns() || estate.leads_to(estate.workload.primary());
    while tokio::time::Instant::now() < deadline {
        if leads_home() {
            task.done(format!("{} leads to {}", estate.workload.record_name(), estate.workload.primary()));
            return Ok(());
        }
        tokio::time::sleep(POLL).await;
    }
    Err(Error::TimedOut { what: "names leading to the primary Region".to_owned(), limit: DNS_LIMIT })
}

impl Director<'_> {
    async fn wait(&self, what: &str, time: Duration) {
        let task = self.estate.progress.task(what);
        let end = tokio::time::Instant::now() + time;
        while tokio::time::Instant::now() < end {
            task.update(in_words(&self.shop.takings()));
            tokio::time::sleep(POLL).await;
        }
        task.done(in_words(&self.shop.takings()));
    }

    async fn fail_over(&mut self) -> Result<RuleId> {
        let (primary, standby) = (self.estate.workload.primary(), self.estate.workload.standby());
        let blackout = self.estate.lose(primary);
        let lost =
            self.story.tell(format!("{primary} is lost: its addresses answer nobody, and no AWS API answers there"));
        self.story
            .tell("the alarms on the endpoint and on the Region's API go to ALARM; from here on the product acts");
        let task = self.estate.progress.task("failing over");
        let tell = |state: &str| task.update(format!("{state}; {}", in_words(&self.shop.takings())));
        let run = self.estate.fail_over(lost, tell).await?;
        self.moved(run, standby, &task).await;
        task.done(in_words(&self.shop.takings()));
        if self.estate.workload.keeps() == Keeps::Aurora {
            self.send_again(lost);
        }
        Ok(blackout)
    }

    /// What a shop does after an unplanned failover of a database that replicates asynchronously: what was acknowledged
    /// in the time that may be lost, by the run's report, is sent once more, with the same ids.
    fn send_again(&mut self, lost: Moment) {
        let report = self.moves.last().map(|last| &last.run.execution.output);
        let rpo_ms = report.and_then(|report| report["rpo_ms"].as_u64()).unwrap_or_default();
        let count = self.shop.send_again(lost.minus(Duration::from_millis(rpo_ms)));
        self.story.tell(format!(
            "the report says that the last {rpo_ms} ms may be lost: the client sends {count} payments again"
        ));
    }

    async fn fail_back(&mut self, blackout: RuleId) -> Result<()> {
        let primary = self.estate.workload.primary();
        self.estate.restore(primary, blackout);
        self.estate.publish_lag(primary, LAG_MS).await?;
        self.estate.clear_alarms().await?;
        self.story.tell(format!("{primary} is back; its database is a secondary now"));
        self.story.tell(format!("a person starts a switchover to {primary}"));
        let trigger =
            json!({ "kind": "manual", "mode": "switchover", "target_region": primary, "reason": "home again" });
        let task = self.estate.progress.task("going home");
        let tell = |state: &str| task.update(format!("{state}; {}", in_words(&self.shop.takings())));
        let run = self.estate.order("going home", &trigger, tell).await?;
        self.moved(run, primary, &task).await;
        task.done(in_words(&self.shop.takings()));
        Ok(())
    }

    /// Lets the replication fall behind, and answers what the workload's alarm says of it.
    async fn let_lag(&mut self) -> Result<String> {
        let (workload, standby) = (self.estate.workload, self.estate.workload.standby());
        self.estate.publish_lag(standby, LONG_LAG_MS).await?;
        self.story.tell(format!("replication to {standby} falls {} s behind", LONG_LAG_MS / 1000));
        self.estate.alarm_state(standby, &format!("{}-replication-lag", workload.stack_name())).await
    }

    /// Waits until clients pay in the Region that a run went to.
    async fn moved(&mut self, run: WorkloadRun, to: &str, task: &Task) {
        let ended = run.execution.stopped.unwrap_or_else(Moment::now);
        self.story.keep(ended, format!("the run ends: {}", run.execution.status));
        let deadline = tokio::time::Instant::now() + MOVE_LIMIT;
        let (mut led_there, mut paid_there) = (None, None);
        while paid_there.is_none() && tokio::time::Instant::now() < deadline {
            task.update(format!("waiting for clients to follow; {}", in_words(&self.shop.takings())));
            led_there = self.estate.led_to(to, run.begins);
            paid_there = first_paid(&self.shop.takings(), to, run.begins);
            tokio::time::sleep(POLL).await;
        }
        if let Some(at) = led_there {
            self.story.keep(at, format!("{} leads to {to}", self.estate.workload.record_name()));
        }
        if let Some(at) = paid_there {
            self.story.keep(at, format!("{to} takes its first payment"));
        }
        self.moves.push(Move { run, to: to.to_owned(), led_there, paid_there });
    }

    async fn close(mut self, preflight: Vec<(String, String)>) -> Result<Course> {
        let task = self.estate.progress.task("paying what is left open");
        // What stays open is for the verdict.
        let closed = self.shop.close(CLOSE_LIMIT).await;
        task.done(in_words(&self.shop.takings()));
        self.story.tell(match closed {
            Ok(()) => "the client has no open payments any more, and stops".to_owned(),
            Err(error) => format!("the client stops: {error}"),
        });
        let workload = self.estate.workload;
        let serves = self.moves.last().map_or(workload.primary(), |last| last.to.as_str());
        let kept = stored(self.estate, serves).await?;
        let stores_agree = match workload.keeps() {
            Keeps::Aurora => None,
            Keeps::DynamoDb => {
                let other = stored(self.estate, workload.primary()).await?;
                Some(sorted(&other) == sorted(&kept))
            }
        };
        let lag_alarm = if workload.fails_back() { Some(self.let_lag().await?) } else { None };
        let takings = self.shop.takings();
        let audit = audit(&takings, &kept);
        let mut story = self.story.notes().to_vec();
        story.sort_by_key(|note| note.at);
        Ok(Course { story, preflight, moves: self.moves, takings, audit, lag_alarm, stores_agree })
    }
}

/// Whether a finding, by severity and words, is of a check that could have been made here and was not.
pub(super) fn is_unmade((severity, words): &(String, String)) -> bool {
    severity == UNKNOWN && !words.starts_with(NOT_HERE)
}

/// What a client's progress looks like.
fn in_words(takings: &Takings) -> String {
    let regions = takings.first_acknowledgement_by_region().into_keys().collect::<Vec<_>>().join(", then ");
    format!("{} payments, {} open; served by {regions}", takings.sent(), takings.open())
}

/// When a Region charged its first payment after a moment, by the client's record.
fn first_paid(takings: &Takings, region: &str, after: Moment) -> Option<Moment> {
    let answers = takings.payments.iter().flat_map(|payment| &payment.acknowledged);
    let there = answers.filter(|answer| !answer.repeated && answer.charge.region == region && answer.at >= after);
    there.map(|answer| answer.at).min()
}

fn sorted(payments: &[Stored]) -> Vec<Stored> {
    let mut payments = payments.to_vec();
    payments.sort_by(|one, other| one.transaction_id.cmp(&other.transaction_id));
    payments
}
