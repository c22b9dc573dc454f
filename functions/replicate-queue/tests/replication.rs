//! Two Regions that replicate to each other while a tenth of the invocations goes wrong: at the end both have every
//! message, and none came back. The real handler over a model of the queues.

#![allow(clippy::expect_used, reason = "a test fails by panicking")]
#![expect(clippy::print_stdout, reason = "the seed and what happened, shown when the test fails")]

mod common;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use common::{Function, entries, record, taken};
use failover::testing::{FakeAws, Reply, Request};
use replicate_queue::plan::{MOST_ATTRIBUTES, MOST_ENTRIES, REPLICATED_FROM};
use serde_json::{Map, Value, json};

const REGIONS: [&str; 2] = ["us-east-1", "us-east-2"];
/// So many messages are sent to each Region.
const MESSAGES: usize = 10_000;
/// So much of the invocations goes wrong.
const FAULTS_PERCENT: u32 = 10;
/// The template's `Attempts`: a message that was received so often would go to the dead-letter queue.
const MOST_RECEIVES: u32 = 300;
/// Far more invocations than the messages need; reached only by a replication that does not end.
const MOST_ROUNDS: usize = 20 * MESSAGES / MOST_ENTRIES;
/// When an invocation is killed, after its beginning.
const KILLED_AFTER: Duration = Duration::from_secs(1);

/// What goes wrong with an invocation, and whether the messages were put into the queue nevertheless.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Fault {
    Refused,
    Throttled,
    FailedBefore,
    FailedAfter,
    ResetAfter,
    SilentBefore,
    SilentAfter,
    SomeFail,
    SomeAreNotMentioned,
    KilledBefore,
    KilledAfter,
    AnswerLost,
}

impl Fault {
    const ALL: [Self; 12] = [
        Self::Refused,
        Self::Throttled,
        Self::FailedBefore,
        Self::FailedAfter,
        Self::ResetAfter,
        Self::SilentBefore,
        Self::SilentAfter,
        Self::SomeFail,
        Self::SomeAreNotMentioned,
        Self::KilledBefore,
        Self::KilledAfter,
        Self::AnswerLost,
    ];
}

/// What a queue's arrivals lead to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wiring {
    /// As in the template: nobody forwards what arrived.
    AsInTheTemplate,
    /// By mistake, what arrives is replicated like what is sent.
    ArrivalsAreReplicated,
}

#[derive(Clone, Debug)]
struct Message {
    id: String,
    body: String,
    /// As SQS's API writes them.
    attributes: Map<String, Value>,
    receives: u32,
}

#[derive(Default)]
struct Region {
    queue: Vec<Message>,
    replication: VecDeque<Message>,
    /// What goes wrong with the invocation that sends to this Region now.
    fault: Option<Fault>,
}

struct World {
    regions: BTreeMap<&'static str, Region>,
    wiring: Wiring,
    random: fastrand::Rng,
    ids: u64,
}

#[derive(Clone)]
struct Model(Arc<Mutex<World>>);

impl Model {
    fn new(seed: u64, wiring: Wiring) -> Self {
        let regions = REGIONS.map(|region| (region, Region::default())).into();
        Self(Arc::new(Mutex::new(World { regions, wiring, random: fastrand::Rng::with_seed(seed), ids: 0 })))
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.0.lock().expect("nobody panicked")
    }
}

impl World {
    fn region(&mut self, name: &str) -> &mut Region {
        self.regions.get_mut(name).expect("one of the two Regions")
    }

    fn new_id(&mut self) -> String {
        self.ids += 1;
        format!("message-{}", self.ids)
    }

    /// What the topic does: the message goes into both queues of the Region.
    fn publish(&mut self, region: &str, body: &str, attributes: &Map<String, Value>) {
        let copy = |id| Message { id, body: body.to_owned(), attributes: attributes.clone(), receives: 0 };
        let (one, other) = (copy(self.new_id()), copy(self.new_id()));
        self.region(region).queue.push(one);
        self.region(region).replication.push_back(other);
    }

    fn attributes(&mut self) -> Map<String, Value> {
        // Where the origin has to stop an echo, it needs room.
        let most = if self.wiring == Wiring::AsInTheTemplate { MOST_ATTRIBUTES } else { MOST_ATTRIBUTES - 1 };
        let count = self.random.usize(0..=most);
        let one = |index| {
            let value = match self.random.u8(0..4) {
                0 => json!({ "DataType": "String", "StringValue": format!("text {index}") }),
                1 => json!({ "DataType": "Number", "StringValue": format!("{index}.50") }),
                2 => json!({ "DataType": "String.label", "StringValue": "labelled" }),
                _ => json!({ "DataType": "Binary", "BinaryValue": "AAEC/w==" }),
            };
            (format!("attribute-{index}"), value)
        };
        (0..count).map(one).collect()
    }

    /// `SendMessageBatch` in a Region.
    fn answer(&mut self, request: &Request) -> Reply {
        let sent = entries(&request.body);
        let fault = self.region(&request.region).fault;
        let applied: Vec<bool> = sent.iter().map(|_| self.is_applied(fault)).collect();
        for (entry, _) in sent.iter().zip(&applied).filter(|(_, applied)| **applied) {
            self.arrive(&request.region, entry);
        }
        let failed = |entry: &Value, fault: bool| json!({ "Id": entry["Id"], "SenderFault": fault, "Code": "InternalError", "Message": "try again" });
        match fault {
            None | Some(Fault::AnswerLost) => {
                Reply::json(json!({ "Successful": sent.iter().map(taken).collect::<Value>() }))
            }
            Some(Fault::Refused) => Reply::Refused,
            Some(Fault::Throttled) => Reply::error("RequestThrottled", "slow down"),
            Some(Fault::FailedBefore | Fault::FailedAfter) => Reply::Error(500, "InternalError".into(), "later".into()),
            Some(Fault::ResetAfter) => Reply::Reset,
            Some(Fault::SilentBefore | Fault::SilentAfter | Fault::KilledBefore | Fault::KilledAfter) => Reply::Silence,
            Some(Fault::SomeFail) => {
                let (yes, no): (Vec<_>, Vec<_>) = sent.iter().zip(&applied).partition(|(_, applied)| **applied);
                let no: Vec<Value> = no.iter().map(|(entry, _)| failed(entry, self.random.bool())).collect();
                let yes: Vec<Value> = yes.iter().map(|(entry, _)| taken(entry)).collect();
                Reply::json(json!({ "Successful": yes, "Failed": no }))
            }
            Some(Fault::SomeAreNotMentioned) => {
                let mentioned: Vec<Value> = sent.iter().filter(|_| self.random.bool()).map(taken).collect();
                Reply::json(json!({ "Successful": mentioned }))
            }
        }
    }

    fn is_applied(&mut self, fault: Option<Fault>) -> bool {
        match fault {
            Some(
                Fault::Refused | Fault::Throttled | Fault::FailedBefore | Fault::SilentBefore | Fault::KilledBefore,
            ) => false,
            Some(Fault::SomeFail) => self.random.bool(),
            None
            | Some(
                Fault::FailedAfter
                | Fault::ResetAfter
                | Fault::SilentAfter
                | Fault::SomeAreNotMentioned
                | Fault::KilledAfter
                | Fault::AnswerLost,
            ) => true,
        }
    }

    fn arrive(&mut self, region: &str, entry: &Value) {
        let message = Message {
            id: self.new_id(),
            body: entry["MessageBody"].as_str().expect("a body").to_owned(),
            attributes: entry["MessageAttributes"].as_object().cloned().unwrap_or_default(),
            receives: 0,
        };
        if self.wiring == Wiring::ArrivalsAreReplicated {
            self.region(region).replication.push_back(message.clone());
        }
        self.region(region).queue.push(message);
    }

    /// The next batch of a Region, and what is to go wrong with it.
    fn receive(&mut self, region: &str) -> (Vec<Message>, Option<Fault>) {
        let count = self.random.usize(1..=MOST_ENTRIES);
        let waiting = &mut self.region(region).replication;
        let mut batch: Vec<Message> = waiting.drain(..count.min(waiting.len())).collect();
        for message in &mut batch {
            message.receives += 1;
            assert!(message.receives < MOST_RECEIVES, "{} would go to the dead-letter queue", message.id);
        }
        let goes_wrong = self.random.u32(0..100) < FAULTS_PERCENT;
        (batch, goes_wrong.then(|| self.random.choice(Fault::ALL).expect("there are faults")))
    }
}

fn event(region: &str, batch: &[Message]) -> Value {
    let records = batch.iter().map(|message| {
        let attributes = message.attributes.iter().map(|(name, value)| {
            let (kind, text, bytes) = (&value["DataType"], &value["StringValue"], &value["BinaryValue"]);
            let mut attribute = json!({ "dataType": kind, "stringListValues": [], "binaryListValues": [] });
            if text.is_string() {
                attribute["stringValue"] = text.clone();
            } else {
                attribute["binaryValue"] = bytes.clone();
            }
            (name.clone(), attribute)
        });
        record(&message.id, region, &message.body, &Value::Object(attributes.collect()))
    });
    json!({ "Records": records.collect::<Vec<_>>() })
}

/// One invocation, as Lambda makes it: what is not reported as failed is deleted, all else is delivered again.
async fn invoke(model: &Model, function: &Function, from: &str, to: &str) -> Option<Fault> {
    let (batch, fault) = model.world().receive(from);
    if batch.is_empty() {
        return None;
    }
    model.world().region(to).fault = fault;
    let killed = matches!(fault, Some(Fault::KilledBefore | Fault::KilledAfter));
    let work = function.failures(event(from, &batch));
    let outcome = if killed { tokio::time::timeout(KILLED_AFTER, work).await.ok() } else { Some(work.await) };
    let again: BTreeSet<String> = match outcome {
        Some(Ok(failures)) if fault != Some(Fault::AnswerLost) => failures.into_iter().collect(),
        _ => batch.iter().map(|message| message.id.clone()).collect(),
    };
    model.world().region(from).replication.extend(batch.into_iter().filter(|message| again.contains(&message.id)));
    fault
}

/// Both directions at once until nothing is left to replicate. Gives how often each fault occurred.
async fn replicate(model: &Model) -> BTreeMap<Fault, usize> {
    let aws = FakeAws::new();
    let answering = model.clone();
    aws.on("sqs", "SendMessageBatch", [Reply::from_fn(move |request| answering.world().answer(request))]);
    let [here, there] = REGIONS;
    let (outward, homeward) = (Function::to(there, &aws), Function::to(here, &aws));
    let mut faults = BTreeMap::new();
    for _ in 0..MOST_ROUNDS {
        let both = tokio::join!(invoke(model, &outward, here, there), invoke(model, &homeward, there, here));
        for fault in [both.0, both.1].into_iter().flatten() {
            *faults.entry(fault).or_default() += 1;
        }
        if model.world().regions.values().all(|region| region.replication.is_empty()) {
            return faults;
        }
    }
    panic!("the replication does not end");
}

/// Sends the messages, replicates them, and checks what the Regions have.
async fn run(seed: u64, wiring: Wiring) {
    let model = Model::new(seed, wiring);
    for number in 0..MESSAGES {
        for region in REGIONS {
            let mut world = model.world();
            let attributes = world.attributes();
            world.publish(region, &format!("{region} {number}"), &attributes);
        }
    }
    let sent: BTreeMap<&str, BTreeMap<String, Map<String, Value>>> = REGIONS
        .map(|region| {
            let world = model.world();
            let queue = &world.regions[region].queue;
            (region, queue.iter().map(|message| (message.body.clone(), message.attributes.clone())).collect())
        })
        .into();
    let faults = replicate(&model).await;
    let world = model.world();
    for (here, there) in [(REGIONS[0], REGIONS[1]), (REGIONS[1], REGIONS[0])] {
        let (own, copies): (Vec<&Message>, Vec<&Message>) =
            world.regions[here].queue.iter().partition(|message| message.body.starts_with(here));
        assert_eq!(own.len(), MESSAGES, "nothing came back to {here}");
        assert!(own.iter().all(|message| sent[here][&message.body] == message.attributes), "{here}");
        let arrived: BTreeSet<&String> = copies.iter().map(|message| &message.body).collect();
        assert_eq!(arrived, sent[there].keys().collect::<BTreeSet<_>>(), "{here} has every message of {there}");
        for copy in &copies {
            check_copy(copy, &sent[there][&copy.body], there);
        }
        println!("{here}: {} messages of {there} in {} copies", arrived.len(), copies.len());
        assert!(copies.len() > MESSAGES, "answers were lost, so some messages are there twice");
    }
    println!("faults: {faults:?}");
    assert_eq!(faults.len(), Fault::ALL.len(), "each fault occurred");
}

/// A copy has the attributes of its message, and its origin unless there was no room for it.
fn check_copy(copy: &Message, sent: &Map<String, Value>, from: &str) {
    let mut attributes = copy.attributes.clone();
    match attributes.remove(REPLICATED_FROM) {
        Some(origin) => {
            let origin = origin["StringValue"].as_str().expect("a text");
            assert!(origin.starts_with(&format!("{from}:message-")), "{origin}");
        }
        None => assert_eq!(sent.len(), MOST_ATTRIBUTES),
    }
    assert_eq!(&attributes, sent, "{}", copy.body);
}

fn seed() -> u64 {
    let seed = fastrand::u64(..);
    println!("seed: {seed}");
    seed
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_messages_in_each_direction_survive_a_tenth_of_failures_and_none_comes_back() {
    run(seed(), Wiring::AsInTheTemplate).await;
}

#[tokio::test(start_paused = true)]
async fn where_arrivals_are_replicated_by_mistake_the_origin_keeps_them_from_coming_back() {
    run(seed(), Wiring::ArrivalsAreReplicated).await;
}
