//! What happens around the orchestrator: Regions are lost, alarms are delivered, people order and interfere.

use failover::contract::Timestamp;
use serde_json::{Value, json};
use tokio::task::spawn_local;

use crate::aws::aurora::{self, PromotionKind};
use crate::aws::{cloudwatch, ecs, route53};
use crate::chance::Chance;
use crate::faults::{Fault, Kind};
use crate::lambda;
use crate::outage::{self, Outage};
use crate::play::{FIRST_MS, Play, Scenario};
use crate::workload::{self, HOME, RECORD, SERVICES, STANDBY};
use crate::world::{Shared, ms};

/// When the home Region is lost, or the person orders, in milliseconds since the run's beginning.
const BEGINS_MS: (u64, u64) = (2_000, 20_000);
/// How long after that a Region with an orchestrator goes away at the latest, in milliseconds.
const LATEST_OUTAGE_MS: u64 = 120_000;
/// How long after that somebody goes on in the other Region, in milliseconds.
const TAKES_OVER_MS: (u64, u64) = (5_000, 120_000);
/// Lambda tries an asynchronous invocation that failed twice more, after these waits, in milliseconds.
/// Source: <https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-error-handling.html>
const ASYNC_RETRIES_MS: [u64; 2] = [60_000, 120_000];
/// How often the schedule asks for a watch, in milliseconds, as the template has it.
const WATCH_EVERY_MS: u64 = 60_000;
/// How often a person looks for a record to break, in milliseconds.
const BREAKS_EVERY_MS: u64 = 300;
/// How late SNS delivers at most, in milliseconds.
const LATEST_DELIVERY_MS: u64 = 5_000;

/// Lets everything happen that is not the orchestrator's doing.
pub fn direct(world: &Shared, play: &Play) {
    let mut chance = Chance::of(play.seed, "director");
    let begins = chance.between(BEGINS_MS.0, BEGINS_MS.1);
    scenario(world, play.scenario, begins, &mut chance);
    for region in play.scenario.orchestrators() {
        spawn_local(watch(world.clone(), region));
    }
    for (index, fault) in play.faults.iter().enumerate() {
        interfere(world, index, *fault, &mut chance);
    }
    spawn_local(deliver_alarms(world.clone(), Chance::of(play.seed, "alarms")));
}

fn scenario(world: &Shared, scenario: Scenario, begins: u64, chance: &mut Chance) {
    let order = |name, after, trigger| order(world, STANDBY, name, after, trigger);
    match scenario {
        Scenario::RegionLoss => lose_home(world, begins, None),
        Scenario::RegionLossAndReturn => lose_home(world, begins, Some(chance.between(60_000, 280_000))),
        Scenario::OrderedFailover => {
            lose_home(world, begins, None);
            order("ordered", begins + chance.between(1_000, 30_000), manual("failover", STANDBY));
        }
        Scenario::Switchover => order("ordered", begins, manual("switchover", STANDBY)),
        Scenario::ThereAndBack => {
            order("ordered", begins, manual("switchover", STANDBY));
            order("back", begins + chance.between(100_000, 280_000), manual("switchover", HOME));
        }
        Scenario::FalseAlarm => {
            let (world, length) = (world.clone(), chance.between(10_000, 50_000));
            spawn_local(async move {
                tokio::time::sleep(ms(begins)).await;
                set_endpoint_down(&world, true);
                tokio::time::sleep(ms(length)).await;
                set_endpoint_down(&world, false);
            });
        }
        Scenario::DryRun => {
            let mut trigger = manual("switchover", STANDBY);
            trigger["dry_run"] = json!(true);
            order("rehearsal", begins, trigger);
        }
        Scenario::Superseded => {
            order("ordered", begins, manual("switchover", STANDBY));
            let anew = FIRST_MS + chance.between(0, 30_000);
            order("anew", anew, manual("switchover", STANDBY));
            order("back", anew + chance.between(100_000, 140_000), manual("switchover", HOME));
        }
        Scenario::OwnRegionLost => {
            order("ordered", begins, manual("switchover", STANDBY));
            let at_ms = begins + chance.between(0, LATEST_OUTAGE_MS);
            Outage::draw(STANDBY, at_ms, true, chance).begin(world);
        }
        Scenario::TwoOrchestrators => two_orchestrators(world, begins, chance),
    }
}

/// People in both Regions order the same at about the same time, and one Region goes away with its orchestrator. Somebody
/// in the other one may go on with what was left.
fn two_orchestrators(world: &Shared, begins: u64, chance: &mut Chance) {
    let at_once = chance.permille(700);
    let apart = chance.between(0, if at_once { 300 } else { 60_000 });
    let name_at_home = *chance.one_of(&["ordered", "ordered-at-home", "ordered-at-home"]);
    let mode = *chance.one_of(&["switchover", "switchover", "failover"]);
    let mut regions = [(STANDBY, "ordered"), (HOME, name_at_home)];
    if chance.permille(500) {
        regions.reverse();
    }
    for ((region, name), after) in regions.into_iter().zip([begins, begins + apart]) {
        order(world, region, name, after, manual(mode, STANDBY));
    }
    if chance.permille(100) {
        return;
    }
    let at_ms = begins + chance.between(0, LATEST_OUTAGE_MS);
    let region = *chance.one_of(&[HOME, HOME, STANDBY]);
    let outage = Outage::draw(region, at_ms, false, chance);
    outage.begin(world);
    if chance.permille(500) {
        let (world, after) = (world.clone(), at_ms + chance.between(TAKES_OVER_MS.0, TAKES_OVER_MS.1));
        spawn_local(async move {
            tokio::time::sleep(ms(after)).await;
            // Otherwise it has ended meanwhile, or was never admitted.
            let _ = go_on(&world, workload::other(outage.region), "person");
        });
    }
}

/// A person goes on with the failover that the ledger says is under way, as what it tells people says; false if there is
/// none.
#[must_use]
pub fn go_on(world: &Shared, region: &'static str, count: &str) -> bool {
    let unfinished = {
        let here = world.lock();
        here.aws.dynamodb.failover_under_way(region).and_then(|failover| here.aws.states.first_of(&failover))
    };
    let Some(execution) = unfinished else { return false };
    world.lock().monitor.reached.insert("resumed".to_owned());
    start(world, region, &format!("{}--{count}", execution.name), &execution.input["trigger"]);
    true
}

fn order(world: &Shared, region: &'static str, name: &'static str, after: u64, trigger: Value) {
    let world = world.clone();
    spawn_local(async move {
        tokio::time::sleep(ms(after)).await;
        start(&world, region, name, &trigger);
    });
}

/// A person's order.
#[must_use]
pub fn manual(mode: &str, target: &str) -> Value {
    json!({ "kind": "manual", "mode": mode, "target_region": target, "reason": "a simulated order" })
}

/// Starts an execution in a Region as a person does.
pub fn start(world: &Shared, region: &'static str, name: &str, trigger: &Value) {
    let mut world = world.lock();
    if world.aws.lost.contains(region) {
        world.note("a person", format!("cannot start {name}: {region} is gone"));
        return;
    }
    let now = world.now();
    let input = json!({ "plan": "trading", "trigger": trigger });
    let outcome = world.aws.states.start(region, name, input, now);
    let outcome = if outcome.is_ok() { "ok" } else { "it exists" };
    world.note("a person", format!("starts execution {name} in {region}: {outcome}"));
}

fn lose_home(world: &Shared, at: u64, returns: Option<u64>) {
    let world = world.clone();
    spawn_local(async move {
        tokio::time::sleep(ms(at)).await;
        world.lock().set_away(HOME, Some(outage::Kind::Frozen));
        if let Some(after) = returns {
            tokio::time::sleep(ms(after)).await;
            world.lock().set_away(HOME, None);
        }
    });
}

fn set_endpoint_down(world: &Shared, down: bool) {
    let mut world = world.lock();
    world.aws.endpoint_down = down;
    world.note("the world", format!("the endpoint in {HOME} {}", if down { "fails" } else { "answers again" }));
}

/// The faults that are somebody's deed, each at the beginning of its window.
fn interfere(world: &Shared, index: usize, fault: Fault, chance: &mut Chance) {
    let seed = chance.bits();
    let world = world.clone();
    spawn_local(async move {
        tokio::time::sleep(ms(fault.from_ms)).await;
        let mut chance = Chance::new(seed);
        match fault.kind {
            Kind::Loss(region) => {
                world.lock().set_away(region, Some(outage::Kind::Frozen));
                tokio::time::sleep(ms(fault.until_ms - fault.from_ms)).await;
                world.lock().set_away(region, None);
            }
            Kind::Partition(region) => {
                world.lock().note("the world", format!("{region} cannot be reached"));
            }
            Kind::SecondExecution => {
                let mode = *chance.one_of(&["switchover", "failover"]);
                start(&world, STANDBY, "second", &manual(mode, STANDBY));
            }
            Kind::KillSwitch => {
                kill_switch(&world, true).await;
                tokio::time::sleep(ms(fault.until_ms - fault.from_ms)).await;
                kill_switch(&world, false).await;
            }
            Kind::PromotionByHand | Kind::TasksByHand | Kind::RecordsByHand => by_hand(&world, fault.kind, &mut chance),
            Kind::OtherRequest => {
                // Under the operation of the failover that a person ordered.
                let run = json!({ "failover_id": "ordered", "generation": 1 });
                invoke_by_hand(&world, "promote-aurora", json!({ "run": run, "mode": "detach" })).await;
            }
            Kind::Nonsense => {
                let request = chance.one_of(&[json!({ "mode": 7 }), json!([]), json!({ "run": "x" })]).clone();
                invoke_by_hand(&world, "promote-aurora", request).await;
            }
            Kind::BrokenRecord if break_record(&world, fault.until_ms, &mut chance).await => {}
            _ => return,
        }
        world.lock().struck[index] += 1;
    });
}

async fn kill_switch(world: &Shared, set: bool) {
    let request =
        json!({ "command": "kill_switch", "plan": "trading", "set": set, "by": "ada", "reason": "a simulated order" });
    invoke_by_hand(world, "health-probe", request).await;
}

async fn invoke_by_hand(world: &Shared, function: &'static str, request: Value) {
    world.lock().note("a person", format!("invokes {function} with {request}"));
    if function == "promote-aurora" {
        world.lock().monitor.by_hand = true;
    }
    // The person reads the answer; the run does not depend on it.
    drop(lambda::invoke(world, STANDBY, function, request).await);
}

fn by_hand(world: &Shared, kind: Kind, chance: &mut Chance) {
    let mut world = world.lock();
    let now = world.now();
    world.monitor.by_hand = true;
    world.note("a person", format!("{kind:?} at the console"));
    let aws = &mut world.aws;
    match kind {
        Kind::PromotionByHand => {
            let kind = *chance.one_of(&[PromotionKind::Failover, PromotionKind::Switchover]);
            let target = *chance.one_of(&[HOME, STANDBY]);
            // AWS may refuse it, as it may refuse anybody.
            drop(aurora::order(aws, kind, target, now));
        }
        Kind::TasksByHand => {
            let (region, service) = (*chance.one_of(&[HOME, STANDBY]), *chance.one_of(&SERVICES));
            let count = u32::try_from(chance.between(0, 6)).unwrap_or(0);
            ecs::set_count_by_hand(aws, region, service, count, now);
        }
        _ => drop(route53::swap_by_hand(aws, RECORD, "A", now)),
    }
}

/// A person writes nonsense into the record of an operation that is under way, as soon as there is one within the time.
async fn break_record(world: &Shared, until_ms: u64, chance: &mut Chance) -> bool {
    let of_intent = chance.permille(700);
    loop {
        if world.lock().since_ms() >= until_ms {
            return false;
        }
        if break_one(world, of_intent) {
            return true;
        }
        tokio::time::sleep(ms(BREAKS_EVERY_MS)).await;
    }
}

fn break_one(world: &Shared, of_intent: bool) -> bool {
    let mut world = world.lock();
    let under_way = world.aws.dynamodb.table.items().find(|(key, item)| {
        let unfinished = item.get("status").is_some_and(|status| status["S"] != "completed");
        // An owner at work would write its own intent over it.
        let waits = item.get("lease_expires_ms").is_some_and(|lease| lease["N"] == "0");
        !key.starts_with("plan#") && unfinished && (!of_intent || (waits && item.contains_key("intent")))
    });
    let Some((key, mut item)) = under_way.map(|(key, item)| (key.to_owned(), item.clone())) else { return false };
    let (field, nonsense) = if of_intent { ("intent", "{}") } else { ("status", "somewhere") };
    item.insert(field.to_owned(), json!({ "S": nonsense }));
    world.aws.dynamodb.table.put(Value::Object(item));
    world.monitor.by_hand = true;
    world.note("a person", format!("writes nonsense into the {field} of {key}"));
    true
}

/// The schedule of `health-probe`'s watch; what it measures goes to CloudWatch with its log. The alarms that are simulated
/// are those of the standby Region.
async fn watch(world: Shared, of: &'static str) {
    loop {
        let answer = lambda::invoke(&world, of, "health-probe", json!({ "command": "watch" })).await;
        if let Some(seen) = answer.ok().filter(|_| of == STANDBY) {
            let mut world = world.lock();
            let now = world.now();
            let region = seen["region"].as_str().expect("a Region").to_owned();
            let healthy = seen["healthy"].as_bool().expect("a flag");
            world.aws.cloudwatch.publish_watch(&region, healthy, seen["region_answers"].as_bool(), now);
        }
        tokio::time::sleep(ms(WATCH_EVERY_MS)).await;
    }
}

/// Delivers every alarm that goes to ALARM to the functions, as SNS does: at least once, not always at once.
async fn deliver_alarms(world: Shared, mut chance: Chance) {
    let mut since: Timestamp = world.lock().now();
    loop {
        tokio::time::sleep(ms(1_000)).await;
        let (events, now, again) = {
            let mut here = world.lock();
            let now = here.now();
            here.aws.advance(now);
            let events = cloudwatch::alarms_since(&here.aws, since);
            let again = here.strikes(|fault| match fault.kind {
                Kind::AlarmAgain(times) if !events.is_empty() => Some(times),
                _ => None,
            });
            (events, now, again.map_or(0, |(_, times)| times))
        };
        since = now;
        for event in events {
            for _ in 0..=again {
                let after = chance.between(50, LATEST_DELIVERY_MS);
                spawn_local(deliver(world.clone(), event.clone(), after));
            }
        }
    }
}

async fn deliver(world: Shared, event: Value, after: u64) {
    tokio::time::sleep(ms(after)).await;
    for wait in ASYNC_RETRIES_MS.into_iter().map(Some).chain([None]) {
        world.lock().note("SNS", "delivers an alarm");
        if lambda::invoke(&world, STANDBY, "health-probe", event.clone()).await.is_ok() {
            return;
        }
        if let Some(wait) = wait {
            tokio::time::sleep(ms(wait)).await;
        }
    }
    world.lock().monitor.reached.insert("alarm to the dead-letter queue".to_owned());
}
