//! `replicate-parameters` on Lambda: see [`replicate_parameters::handle`].

use std::sync::Arc;

use failover::clients::Clients;
use failover::config::{Access, ProcessEnvironment};
use failover::env::{Deadline, Env};
use failover::telemetry::logs;
use lambda_runtime::{LambdaEvent, service_fn};
use replicate_parameters::{ReplicateParameters, Settings, TIME_TO_WORK, handle};
use serde_json::Value;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    logs::start();
    let env = Env::system();
    let settings = Settings::read(&ProcessEnvironment)?;
    let access = Access::read(&ProcessEnvironment, "replicate-parameters")?;
    let clients = Clients::of(access, &env);
    let function = Arc::new(ReplicateParameters::new(settings, env.clone(), &clients));
    let answer = service_fn(move |event: LambdaEvent<Value>| {
        let (function, env) = (Arc::clone(&function), env.clone());
        async move {
            let deadline = Deadline::new(env.now(), TIME_TO_WORK, event.context.deadline);
            handle(&function, event.payload, deadline).await
        }
    });
    lambda_runtime::run(answer).await
}
