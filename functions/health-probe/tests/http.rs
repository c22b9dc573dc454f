//! The probe over the real HTTP client and real sockets.

#![allow(clippy::expect_used, clippy::wildcard_enum_match_arm, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "real sockets, real time")]

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use failover::clients::Clients;
use failover::contract::ProbeResponse;
use failover::env::Env;
use failover::runtime::Toolbox;
use failover::testing;
use health_probe::{HealthProbe, Settings, handle};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Answers by path; what is posted is the ledger's, which is empty.
async fn serve(mut stream: TcpStream) {
    let mut head = Vec::new();
    while !head.windows(4).any(|window| window == b"\r\n\r\n") {
        let mut buffer = [0; 4096];
        match stream.read(&mut buffer).await {
            Ok(0) | Err(_) => return,
            Ok(length) => head.extend_from_slice(&buffer[..length]),
        }
    }
    let head = String::from_utf8_lossy(&head).to_lowercase();
    let answer = match head.split(' ').collect::<Vec<_>>().as_slice() {
        ["post", ..] => {
            "HTTP/1.1 200 OK\r\ncontent-type: application/x-amz-json-1.0\r\nconnection: close\r\ncontent-length: 2\r\n\r\n{}"
        }
        ["get", "/ok?deep=1", ..] if head.contains("connection: close") && head.contains("host: 127.0.0.1:") => {
            "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
        }
        ["get", "/down", ..] => "HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n",
        ["get", "/moved", ..] => "HTTP/1.1 302 Found\r\nlocation: /ok?deep=1\r\ncontent-length: 0\r\n\r\n",
        // The head comes, the body never does.
        ["get", "/endless", ..] => "HTTP/1.1 200 OK\r\ncontent-length: 1000000000000\r\n\r\n",
        ["get", "/garbage", ..] => "220 mail.example.com ESMTP\r\n",
        ["get", "/silent", ..] => "",
        _ => "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n",
    };
    if stream.write_all(answer.as_bytes()).await.is_ok() {
        tokio::time::sleep(Duration::from_secs(20)).await;
    }
}

async fn watch(origin: &str, path: &str) -> (bool, String, Duration) {
    let endpoints = format!("eu-central-1={origin}{path}");
    let mut config = testing::config();
    config.access.endpoint_url = Some(origin.to_owned());
    let env = Env::system();
    let clients = Clients::new(&config, &env);
    let tools = Toolbox::new(config, env, clients);
    let variables = BTreeMap::from([
        ("STATE_MACHINE_ARN", "arn:aws:states:eu-west-1:123456789012:stateMachine:failover"),
        ("TRIGGER_ALARM_ARNS", "arn:aws:cloudwatch:eu-west-1:123456789012:alarm:endpoint"),
        ("NOTIFICATION_TOPIC_ARN", "arn:aws:sns:eu-west-1:123456789012:failover"),
        ("WATCHED_ENDPOINTS", endpoints.as_str()),
        ("WRITER_LEASE_SECONDS", "0"),
        ("FUNCTION_ROLES", "health-probe=arn:aws:iam::123456789012:role/health-probe"),
    ]);
    let settings = Settings::read(&variables, &tools.config).expect("complete");
    let deadline = testing::deadline(&tools.env, &tools.config);
    let began = Instant::now();
    let answer = handle(&HealthProbe { tools, settings }, json!({ "command": "watch" }), deadline).await;
    match answer.expect("the ledger answers") {
        ProbeResponse::Watch(seen) => (seen.healthy, seen.detail, began.elapsed()),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn the_status_alone_decides_and_nothing_takes_longer_than_its_timeout() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let origin = format!("http://{}", listener.local_addr().expect("bound"));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream));
        }
    });
    for (path, healthy, detail) in [
        ("/ok?deep=1", true, "answered 200"),
        ("/endless", true, "answered 200"),
        ("/down", false, "answered 503"),
        ("/moved", false, "answered 302"),
        ("/nowhere", false, "answered 404"),
        ("/garbage", false, "did not answer"),
        ("/silent", false, "nothing within 3000 ms"),
    ] {
        let (seen, said, took) = watch(&origin, path).await;
        assert_eq!(seen, healthy, "{path}: {said}");
        assert!(said.contains(detail), "{path}: {said}");
        let limit = if path == "/silent" { 4000 } else { 1000 };
        assert!(took < Duration::from_millis(limit), "{path} took {took:?}");
    }
}
