//! A model of the Parameter Store in two Regions, and the function of each over it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_runtime_api::shared::IntoShared;
use failover::clients::Clients;
use failover::contract::{Region, Timestamp};
use failover::env::{Deadline, Env};
use failover::error::Error;
use failover::testing::{FakeAws, Reply, Request, START};
use replicate_parameters::{Answer, ReplicateParameters, Settings, TIME_TO_WORK};
use serde_json::{Value, json};

pub(crate) const REGIONS: [&str; 2] = ["us-east-1", "us-east-2"];
pub(crate) const PREFIX: &str = "/edge/dev";
/// Few, so that a history has several pages.
const VERSIONS_PER_PAGE: usize = 2;

pub(crate) fn other(region: &str) -> &'static str {
    if region == REGIONS[0] { REGIONS[1] } else { REGIONS[0] }
}

/// The role of a Region's function.
pub(crate) fn role(region: &str) -> String {
    format!("edge-dev-replicate-parameters-{region}")
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Version {
    pub(crate) kind: String,
    pub(crate) value: String,
    pub(crate) tier: String,
    pub(crate) key: Option<String>,
    pub(crate) user: String,
    pub(crate) at: Timestamp,
}

/// An event: name, operation, time.
pub(crate) type Event = (String, &'static str, Timestamp);

#[derive(Default)]
pub(crate) struct World {
    pub(crate) stores: BTreeMap<(&'static str, String), Vec<Version>>,
    pub(crate) events: BTreeMap<&'static str, Vec<Event>>,
    /// So many calls of a hundred fail.
    pub(crate) faults_percent: u32,
    pub(crate) random: fastrand::Rng,
    now: i64,
}

#[derive(Clone, Default)]
pub(crate) struct Model(Arc<Mutex<World>>);

impl Model {
    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        self.0.lock().expect("nobody panicked")
    }
}

impl World {
    pub(crate) fn newest(&self, region: &'static str, name: &str) -> Option<&Version> {
        self.stores.get(&(region, name.to_owned()))?.last()
    }

    /// Writes as the Parameter Store does: a version more, and an event.
    pub(crate) fn put(&mut self, region: &'static str, name: &str, version: Version) {
        let versions = self.stores.entry((region, name.to_owned())).or_default();
        let operation = if versions.is_empty() { "Create" } else { "Update" };
        let at = version.at;
        versions.push(version);
        self.events.entry(region).or_default().push((name.to_owned(), operation, at));
    }

    /// Deletes, with its history. Gives whether there was something.
    pub(crate) fn delete(&mut self, region: &'static str, name: &str, at: Timestamp) -> bool {
        let was_there = self.stores.remove(&(region, name.to_owned())).is_some();
        if was_there {
            self.events.entry(region).or_default().push((name.to_owned(), "Delete", at));
        }
        was_there
    }

    fn answer(&mut self, request: &Request) -> Reply {
        self.now = START.as_millis() + i64::try_from(request.at.as_millis()).expect("short");
        let fault = (self.random.u32(0..100) < self.faults_percent).then(|| self.random.u8(0..3));
        match fault {
            Some(0) => return Reply::error("ThrottlingException", "Rate exceeded"),
            Some(1) => return Reply::Error(500, "InternalServerError".into(), "later".into()),
            _ => {}
        }
        let answer = self.carry_out(request);
        if fault.is_some() { Reply::Reset } else { answer }
    }

    fn carry_out(&mut self, request: &Request) -> Reply {
        let region = other(other(&request.region));
        let text = |field: &str| request.body[field].as_str().unwrap_or_default().to_owned();
        let name = text("Name");
        let now = Timestamp::from_millis(self.now);
        match request.operation.as_str() {
            "GetParameterHistory" => self.history(region, &name, &text("NextToken")),
            "GetParametersByPath" => {
                assert_eq!(text("Path"), PREFIX);
                let names = self.stores.keys().filter(|(of, _)| *of == region).map(|(_, name)| json!({ "Name": name }));
                Reply::json(json!({ "Parameters": names.collect::<Vec<_>>() }))
            }
            "PutParameter" => {
                let kind = text("Type");
                if self.newest(region, &name).is_some_and(|newest| newest.kind != kind) {
                    return Reply::error("HierarchyTypeMismatchException", "the type cannot be changed");
                }
                let user = format!("arn:aws:sts::123456789012:assumed-role/{}/function", role(other(region)));
                let key = request.body["KeyId"].as_str().map(str::to_owned);
                let version = Version { kind, value: text("Value"), tier: text("Tier"), key, user, at: now };
                self.put(region, &name, version);
                Reply::json(json!({ "Version": 1, "Tier": "Standard" }))
            }
            "DeleteParameter" if self.delete(region, &name, now) => Reply::json(json!({})),
            "DeleteParameter" => Reply::error("ParameterNotFound", "no such parameter"),
            other => panic!("the model has no {other}"),
        }
    }

    fn history(&self, region: &'static str, name: &str, from: &str) -> Reply {
        let Some(versions) = self.stores.get(&(region, name.to_owned())) else {
            return Reply::error("ParameterNotFound", "no such parameter");
        };
        let from: usize = from.parse().unwrap_or_default();
        let page = versions.iter().enumerate().skip(from).take(VERSIONS_PER_PAGE).map(|(index, version)| {
            #[expect(clippy::cast_precision_loss, reason = "as the API gives times")]
            let at = version.at.as_millis() as f64 / 1000.0;
            json!({
                "Name": name, "Type": version.kind, "Value": version.value, "Tier": version.tier,
                "Version": index + 1, "LastModifiedDate": at, "LastModifiedUser": version.user, "DataType": "text",
            })
        });
        let mut answer = json!({ "Parameters": page.collect::<Vec<_>>() });
        if from + VERSIONS_PER_PAGE < versions.len() {
            answer["NextToken"] = json!((from + VERSIONS_PER_PAGE).to_string());
        }
        Reply::json(answer)
    }
}

/// Calls take time, so that functions and people overtake each other between any two of them.
#[derive(Clone, Debug)]
struct Slow {
    aws: FakeAws,
    env: Env,
    most_millis: u64,
}

impl HttpConnector for Slow {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let Self { aws, env, most_millis } = self.clone();
        HttpConnectorFuture::new(async move {
            let pause = || Duration::from_millis(env.random() % (most_millis + 1));
            env.sleep(pause()).await;
            let answer = HttpConnector::call(&aws, request).await;
            env.sleep(pause()).await;
            answer
        })
    }
}

impl HttpClient for Slow {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        self.clone().into_shared()
    }
}

/// The function of a Region.
pub(crate) struct Function {
    function: ReplicateParameters,
    pub(crate) env: Env,
}

impl Function {
    pub(crate) async fn answer(&self, event: Value) -> Result<Answer, Error> {
        let deadline = Deadline::new(self.env.now(), TIME_TO_WORK, 0);
        replicate_parameters::handle(&self.function, event, deadline).await
    }
}

pub(crate) fn aws(model: &Model) -> FakeAws {
    let aws = FakeAws::new();
    let answering = model.clone();
    aws.otherwise(Reply::Refused);
    for operation in ["GetParameterHistory", "GetParametersByPath", "PutParameter", "DeleteParameter"] {
        let model = answering.clone();
        aws.on("ssm", operation, [Reply::from_fn(move |request| model.world().answer(request))]);
    }
    aws
}

/// The function of `region` over an AWS whose calls take up to so long each way.
pub(crate) fn function(aws: &FakeAws, region: &str, most_millis: u64) -> Function {
    let tools = aws.toolbox();
    let env = tools.env.clone();
    let slow = Slow { aws: aws.clone(), env: env.clone(), most_millis };
    let clients = Clients::with_http_client(&tools.config, &env, slow.into_shared());
    let parse = |region: &str| Region::parse(region).expect("a Region");
    let settings = Settings {
        destination_region: parse(other(region)),
        destination_key: "arn:aws:kms:us-east-2:123456789012:key/there".to_owned(),
        prefix: PREFIX.to_owned(),
        own_role: role(region),
        peer_role: role(other(region)),
        region: parse(region),
    };
    Function { function: ReplicateParameters::new(settings, env.clone(), &clients), env }
}

/// A message with an event, as Lambda hands it over.
pub(crate) fn record(id: &str, (name, operation, at): &Event) -> Value {
    let time = Timestamp::from_millis(at.as_millis() / 1000 * 1000).to_string();
    let body = json!({ "source": "aws.ssm", "time": time, "detail": { "name": name, "operation": operation } });
    json!({ "messageId": id, "body": body.to_string() })
}
