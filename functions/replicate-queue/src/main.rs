//! `replicate-queue` on Lambda: see [`replicate_queue::handle`].

use std::sync::Arc;

use failover::clients::Clients;
use failover::config::{Access, ProcessEnvironment};
use failover::env::{Deadline, Env};
use failover::error::Error;
use failover::telemetry::logs;
use lambda_runtime::{LambdaEvent, service_fn};
use replicate_queue::{ReplicateQueue, Settings, TIME_TO_SEND, handle};
use serde_json::Value;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    logs::start();
    let env = Env::system();
    let settings = Settings::read(&ProcessEnvironment)?;
    let access = Access::read(&ProcessEnvironment, "replicate-queue")?;
    let clients = Clients::of(access, &env);
    let queue = Arc::new(ReplicateQueue::new(settings, env.clone(), &clients));
    let answer = service_fn(move |event: LambdaEvent<Value>| {
        let (queue, env) = (Arc::clone(&queue), env.clone());
        async move {
            let deadline = Deadline::new(env.now(), TIME_TO_SEND, event.context.deadline);
            let outcome = handle(&queue, event.payload, deadline).await?;
            outcome.publish(env.now());
            Ok::<_, Error>(outcome.answer())
        }
    });
    lambda_runtime::run(answer).await
}
