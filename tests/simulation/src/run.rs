//! Plays a run, from its seed to its verdict.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use serde_json::Value;
use state_machine::{Definition, End, Start};
use tokio::task::{LocalSet, spawn_local};

use crate::aws::states::Execution;
use crate::chance::Chance;
use crate::director;
use crate::faults::FAULTS_END_MS;
use crate::machine::Outside;
use crate::outage;
use crate::play::Play;
use crate::trace::Trace;
use crate::workload::{self, HOME, RECORD, STANDBY};
use crate::world::{Shared, World, ms};

/// How long after the faults a run may take to its end, in milliseconds of its own time: every question left unanswered,
/// and the time a plan gives a run.
const LONGEST_RUN_MS: u64 = 3 * 3_600_000;
/// How long the undisturbed failover may take that sets right what was left, in milliseconds of its own time.
const LONGEST_RECOVERY_MS: u64 = 3_600_000;
/// How long Aurora, ECS and DNS may take to come to rest afterwards, in milliseconds.
const LONGEST_SETTLING_MS: u64 = 900_000;
/// How many times a person orders anew what was left undone.
const MOST_RECOVERIES: u32 = 3;

/// The deployed definition.
const DEFINITION: &str = include_str!("../../../infra/failover.asl.json");

/// As the stack in each Region has it.
static PARSED: LazyLock<[(&str, Definition); 2]> =
    LazyLock::new(|| [STANDBY, HOME].map(|region| (region, parsed(DEFINITION, region))));

/// What became of a run.
#[derive(Clone, Debug)]
pub struct Verdict {
    /// What was violated.
    pub violations: Vec<String>,
    /// How often each kind of fault struck.
    pub struck: BTreeMap<&'static str, u64>,
    /// Which ends, codes and statuses were reached.
    pub reached: BTreeSet<String>,
    /// What happened.
    pub trace: Trace,
    /// How long it took, in milliseconds of its own time.
    pub virtual_ms: u64,
    /// How many calls were made to AWS.
    pub calls: u64,
}

/// Plays a run.
///
/// # Panics
/// When the runtime cannot be built, or the simulation meets what it does not know.
#[must_use]
pub fn play(play: &Play) -> Verdict {
    // The SDK's own jitter comes from this generator.
    fastrand::seed(play.seed);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime without I/O");
    LocalSet::new().block_on(&runtime, perform(play))
}

async fn perform(play: &Play) -> Verdict {
    let world = Shared::new(World::new(play.seed, play.faults.clone(), play.variant));
    world.lock().aws.dynamodb.consistency = play.ledger();
    director::direct(&world, play);
    spawn_local(interpret(world.clone(), play.clone()));
    let ended = until_quiet(&world, FAULTS_END_MS, LONGEST_RUN_MS).await;
    if ended {
        recover(&world, play).await;
    } else {
        world.lock().monitor.violated("every run ends within its bound", "an execution is still running");
    }
    verdict(&world, play)
}

/// Waits until nothing runs any more, and at least until `earliest`; watches meanwhile.
async fn until_quiet(world: &Shared, earliest: u64, longest: u64) -> bool {
    let end = world.lock().since_ms() + longest;
    loop {
        tokio::time::sleep(ms(1_000)).await;
        let mut here = world.lock();
        let now = here.now();
        let World { aws, monitor, .. } = &mut *here;
        monitor.tick(aws, now);
        let at = here.since_ms();
        if at >= earliest && !here.aws.states.is_running(&here.aws.lost) {
            return true;
        }
        if at >= end {
            return false;
        }
    }
}

/// Interprets every execution that is started.
async fn interpret(world: Shared, play: Play) {
    loop {
        let begun = world.lock().aws.states.next_begun();
        match begun {
            Some(execution) => drop(spawn_local(execute(world.clone(), play.clone(), execution))),
            None => tokio::time::sleep(ms(100)).await,
        }
    }
}

async fn execute(world: Shared, play: Play, execution: Execution) {
    let Execution { region, name, input, started_at, .. } = execution;
    let undisturbed = world.lock().since_ms() >= FAULTS_END_MS;
    let outside = Outside::new(world.clone(), region, Chance::of(play.seed, &name).bits(), undisturbed);
    let start = Start { name: name.clone(), input, started_at_ms: started_at.as_millis(), seed: play.seed };
    let history = {
        let (world, label) = (world.clone(), label(region, &name));
        move |entered: state_machine::Entered| world.lock().note("state machine", format!("{label}: {}", entered.state))
    };
    let broken = play.variant.map(|variant| parsed(&variant.definition(DEFINITION), region));
    let deployed = PARSED.iter().find(|(of, _)| *of == region).map(|(_, definition)| definition);
    let definition = broken.as_ref().or(deployed).expect("a definition for each Region with an orchestrator");
    let run = state_machine::run(definition, start, &outside, history);
    let Ok(end) = outage::within(region, world.clone(), run).await else { return };
    let mut world = world.lock();
    let (how, detail) = match end {
        End::Succeeded { output } => ("succeeded", outcome_of(&output)),
        End::Failed { error, cause } => {
            world.monitor.reached.insert(format!("ended: {error}"));
            ("failed", format!("{error}: {cause}"))
        }
        End::TimedOut => ("timed out", String::new()),
    };
    world.note("state machine", format!("{} {how}: {detail}", label(region, &name)));
    world.monitor.reached.insert(format!("execution {how}"));
    world.aws.states.end(region, &name);
    world.monitor.ended(region, &name);
    beside_the_other_one(&mut world, region, &name, how, &detail);
}

/// What is said of an execution that ended while there was one in the other Region, too.
fn beside_the_other_one(world: &mut World, region: &str, name: &str, how: &str, detail: &str) {
    let other = workload::other(region);
    let others: Vec<&Execution> = world.aws.states.executions().filter(|it| it.region == other).collect();
    let (is_away, finished) = (world.is_away(other), how == "succeeded" && detail == "succeeded");
    let said = [
        (!others.is_empty(), "an orchestrator in each Region was started"),
        (!others.is_empty() && detail.contains("is under way"), "one of two orchestrators was refused"),
        (
            how == "succeeded" && others.iter().any(|it| it.name == name && it.ended),
            "two orchestrators joined in one failover",
        ),
        (finished && is_away && !others.is_empty(), "one orchestrator finished while the other one was gone"),
        (
            finished && is_away && others.iter().any(|it| !it.ended),
            "one orchestrator finished what the one that was gone had begun",
        ),
    ];
    let reached = said.into_iter().filter(|(is_so, _)| *is_so).map(|(_, what)| what.to_owned());
    world.monitor.reached.extend(reached);
}

fn label(region: &str, name: &str) -> String {
    if region == STANDBY { name.to_owned() } else { format!("{name} at home") }
}

fn outcome_of(output: &Value) -> String {
    let text = |field: &str| output[field].as_str().unwrap_or_default().to_owned();
    format!("{}{}", text("decision"), text("outcome"))
}

/// Once nothing goes wrong any more, a person orders what is still undone, and it is done.
async fn recover(world: &Shared, play: &Play) {
    for attempt in 1..=MOST_RECOVERIES {
        bring_back_the_only_copy(world, play);
        settle(world).await;
        let Some(target) = wanted(world) else { return };
        let there = |region: &&&str| !world.lock().aws.lost.contains(**region);
        let Some(orchestrator) = play.scenario.orchestrators().iter().find(there) else { return };
        order_recovery(world, orchestrator, attempt, target);
        if !until_quiet(world, 0, LONGEST_RECOVERY_MS).await {
            world.lock().monitor.violated("an undisturbed failover ends", "recovery");
            return;
        }
    }
    settle(world).await;
    if wanted(world).is_some() && !world.lock().monitor.by_hand {
        let state = state(world);
        world.lock().monitor.violated("an undisturbed failover brings the workload to its end", &state);
    }
}

/// Where the only copy of the database that is any good was lost with its Region, nobody can do anything before that
/// Region is back. With a single orchestrator its own Region is there, and has a copy.
fn bring_back_the_only_copy(world: &Shared, play: &Play) {
    let mut here = world.lock();
    let writer = here.aws.aurora.writer_of_record().filter(|writer| here.aws.lost.contains(*writer));
    if let Some(writer) = writer
        && play.scenario.orchestrators().len() > 1
        && !here.aws.aurora.is_available(workload::other(writer))
    {
        here.set_away(writer, None);
    }
}

/// A person goes on with the failover that was left under way, as what it tells people says, or orders another.
fn order_recovery(world: &Shared, orchestrator: &'static str, attempt: u32, target: &str) {
    if director::go_on(world, orchestrator, &(attempt + 1).to_string()) {
        return;
    }
    let mode = if world.lock().aws.lost.is_empty() { "switchover" } else { "failover" };
    director::start(world, orchestrator, &format!("recovery-{attempt}"), &director::manual(mode, target));
}

/// Waits until Aurora, ECS and DNS are at rest.
async fn settle(world: &Shared) {
    let end = world.lock().since_ms() + LONGEST_SETTLING_MS;
    loop {
        tokio::time::sleep(ms(5_000)).await;
        let mut here = world.lock();
        let now = here.now();
        let World { aws, monitor, .. } = &mut *here;
        monitor.tick(aws, now);
        if !aws.aurora.promotion_is_pending() && aws.route53.is_in_sync(now) || here.since_ms() >= end {
            return;
        }
    }
}

/// The Region that the workload still has to be brought to; none when it serves from one.
fn wanted(world: &Shared) -> Option<&'static str> {
    let here = world.lock();
    let aws = &here.aws;
    let serving = [HOME, STANDBY].into_iter().find(|region| {
        !aws.lost.contains(*region)
            && aws.aurora.writer_of_record() == Some(region)
            && aws.aurora.is_available(region)
            && aws.ecs.serves(region)
            && aws.route53.preferred(RECORD, "A") == Some(region)
    });
    let there = [STANDBY, HOME].into_iter().find(|region| !aws.lost.contains(*region));
    if serving.is_some() { None } else { there }
}

fn state(world: &Shared) -> String {
    let here = world.lock();
    let aws = &here.aws;
    let serving: Vec<&str> = [HOME, STANDBY].into_iter().filter(|region| aws.ecs.serves(region)).collect();
    format!(
        "writer {:?}, tasks in {serving:?}, traffic to {:?}",
        aws.aurora.writer_of_record(),
        aws.route53.preferred(RECORD, "A")
    )
}

fn verdict(world: &Shared, play: &Play) -> Verdict {
    let here = world.lock();
    let mut struck = BTreeMap::new();
    for (fault, times) in play.faults.iter().zip(&here.struck) {
        *struck.entry(fault.kind.name()).or_insert(0) += times;
    }
    Verdict {
        violations: here.monitor.violations().to_vec(),
        struck,
        reached: here.monitor.reached.clone(),
        trace: here.trace.clone(),
        virtual_ms: here.since_ms(),
        calls: here.calls,
    }
}

fn parsed(text: &str, region: &str) -> Definition {
    let values = workload::substitutions(region);
    let values = values.iter().map(|(name, value)| (*name, value.as_str())).collect();
    Definition::parse(text, &values).expect("the deployed definition can be interpreted")
}
