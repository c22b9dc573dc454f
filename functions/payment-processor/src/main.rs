//! The Lambda function `payment-processor`.

use std::sync::Arc;

use failover::clients::Clients;
use failover::config::{Access, ProcessEnvironment};
use failover::env::Env;
use failover::telemetry::logs;
use lambda_runtime::{Diagnostic, LambdaEvent, Runtime, service_fn};
use payment_processor::PaymentProcessor;
use payment_processor::settings::Settings;
use serde_json::Value;
use tracing::Instrument;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    logs::start();
    let env = Env::system();
    let configured = Settings::read(&ProcessEnvironment).and_then(|settings| {
        let access = Access::read(&ProcessEnvironment, "payment-processor")?;
        Ok((settings, Clients::of(access, &env)))
    });
    let processor = Arc::new(PaymentProcessor::new(configured, env));
    let answer = service_fn(move |LambdaEvent { payload, context }: LambdaEvent<Value>| {
        let processor = Arc::clone(&processor);
        let span = tracing::info_span!("invocation", request_id = context.request_id);
        let answer = async move {
            processor.handle(payload, &context.request_id, context.deadline).await.map_err(|problem| {
                // The runtime logs it; an asynchronous invocation ends in the dead-letter queue.
                Diagnostic { error_type: "Payment.NotARequest".to_owned(), error_message: problem }
            })
        };
        answer.instrument(span)
    });
    Runtime::new(answer).run().await
}
