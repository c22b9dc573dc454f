//! Logs: one JSON object for each line on standard output, with the failover's id in its `span`.

use tracing::level_filters::LevelFilter;

/// Starts logging. Later calls in the same process change nothing.
pub fn start() {
    let subscriber = tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_current_span(true)
        .with_span_list(false)
        .with_target(false)
        .with_max_level(LevelFilter::INFO)
        .finish();
    // Fails only when a subscriber is set already, as in tests that start several functions in one process.
    drop(tracing::subscriber::set_global_default(subscriber));
}
