//! The course of one request through the gateway.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use http::request::Parts;
use http::{HeaderMap, Request, Response, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};

use super::State;
use super::call::{Call, Outcome};
use super::fault::{Fault, cbor_error_code};
use super::models;
use super::process_of::{self, Connection};
use super::request::{Protocol, Seen};
use super::rule::{Effect, KillPoint};
use crate::aws::{error_in, header_value, with_causes};

/// Largest request that is taken, in bytes; a Lambda deployment package is the largest there is.
const REQUEST_LIMIT: usize = 64 * 1024 * 1024;
/// How long the emulator may take: as long as a Lambda function may run, plus a minute.
const FORWARD_LIMIT: Duration = Duration::from_mins(16);
/// Headers that are about one connection (RFC 9110, section 7.6.1), and the length, which is set anew.
const HOP_HEADERS: [&str; 5] = ["connection", "keep-alive", "transfer-encoding", "upgrade", "content-length"];

/// The connection is to be closed without an answer.
#[derive(Debug, thiserror::Error)]
#[error("closed on purpose")]
pub(super) struct Close;

pub(super) type Answered = Result<Response<Answer>, Close>;

/// Takes one request to its end, even when the caller goes away in the meantime: AWS does so too.
pub(super) async fn handle(state: Arc<State>, connection: Connection, request: Request<Incoming>) -> Answered {
    let (parts, body) = request.into_parts();
    // An incomplete request was never made.
    let Ok(body) = Limited::new(body, REQUEST_LIMIT).collect().await else { return Err(Close) };
    let exchange = Exchange { state, connection, parts, body: body.to_bytes() };
    tokio::spawn(exchange.run()).await.unwrap_or(Err(Close))
}

struct Exchange {
    state: Arc<State>,
    connection: Connection,
    parts: Parts,
    body: Bytes,
}

impl Exchange {
    async fn run(self) -> Answered {
        let seen = Seen::of(&self.parts, &self.body);
        let number = self.state.arrivals.fetch_add(1, Ordering::Relaxed) + 1;
        let mut call = Call::arriving(number, &seen);
        let start = Instant::now();
        let verdict = self.state.rules().judge(&seen, &self.body);
        tokio::time::sleep(verdict.delay).await;
        call.rules = verdict.rules;
        let answered = match verdict.disturbance {
            Some(effect) => self.disturbed(effect, &seen, &mut call).await,
            None => self.carried_out(&seen, &mut call).await.map(Answer::whole),
        };
        call.duration = start.elapsed();
        self.state.record(call);
        answered
    }

    async fn disturbed(&self, effect: Effect, seen: &Seen, call: &mut Call) -> Answered {
        match effect {
            Effect::Refuse => {
                call.outcome = Outcome::NoAnswer;
                Err(Close)
            }
            Effect::Answer(fault) => Ok(Answer::whole(refused(&fault, seen, call))),
            Effect::AnswerAfterwards(fault) => {
                self.carried_out(seen, call).await?;
                Ok(Answer::whole(refused(&fault, seen, call)))
            }
            Effect::KillCaller(KillPoint::BeforeForwarding) => self.killed(KillPoint::BeforeForwarding, call).await,
            Effect::KillCaller(KillPoint::AfterForwarding) => {
                self.carried_out(seen, call).await?;
                self.killed(KillPoint::AfterForwarding, call).await
            }
            Effect::DropAnswer => {
                self.carried_out(seen, call).await?;
                call.outcome = Outcome::AnswerLost;
                Err(Close)
            }
            Effect::CutAnswer => {
                let response = self.carried_out(seen, call).await?;
                call.outcome = Outcome::AnswerLost;
                Ok(Answer::cut(response).await)
            }
            // Delays were added up before; a rule with one does not get here.
            Effect::Delay(_) => self.carried_out(seen, call).await.map(Answer::whole),
        }
    }

    async fn killed(&self, point: KillPoint, call: &mut Call) -> Answered {
        let connection = self.connection;
        let killed =
            tokio::task::spawn_blocking(move || process_of::owner_of(connection).is_some_and(process_of::kill));
        call.outcome = if killed.await.unwrap_or(false) { Outcome::Killed { point } } else { Outcome::AnswerLost };
        Err(Close)
    }

    /// By a model of the gateway's own or by the emulator.
    async fn carried_out(&self, seen: &Seen, call: &mut Call) -> Result<Response<Full<Bytes>>, Close> {
        if models::answers(seen) {
            call.answered_by_model = true;
            let response = match self.by_model(seen).await {
                Ok(response) => response,
                Err(fault) => return Ok(refused(&fault, seen, call)),
            };
            call.applied = true;
            call.outcome = Outcome::Ok { status: 200 };
            return Ok(response);
        }
        let forwarded = tokio::time::timeout(FORWARD_LIMIT, self.by_emulator(seen)).await;
        if let Ok(Ok((response, outcome))) = forwarded {
            call.applied = outcome.is_ok();
            call.outcome = outcome;
            return Ok(response);
        }
        call.outcome = Outcome::EmulatorUnreachable;
        Err(Close)
    }

    async fn by_model(&self, seen: &Seen) -> Result<Response<Full<Bytes>>, Fault> {
        let state = &self.state;
        state.authorization.check(seen, &self.body, self.connection, &state.root, &state.account_id).await?;
        let answer = match seen.service.as_str() {
            "route53" => models::dns_answer::answer(self.parts.uri.query().unwrap_or_default(), &state.root).await?,
            "xray" => state.xray.answer(seen, &self.body)?.to_string(),
            "route53-recovery-cluster" => state.routing_cluster.answer(seen, &self.body)?.to_string(),
            "globalaccelerator" => state.accelerators.answer(seen, &self.body)?.to_string(),
            _autoscaling => {
                state.autoscaling.answer(seen, &self.body, &state.root, &state.account_id).await?.to_string()
            }
        };
        let content_type = match seen.protocol {
            Protocol::Query => "text/xml",
            Protocol::Json => "application/x-amz-json-1.1",
            Protocol::RestJson | Protocol::Cbor => "application/json",
        };
        let mut response = Response::new(Full::new(Bytes::from(answer)));
        response.headers_mut().insert("content-type", header_value(content_type));
        Ok(response)
    }

    /// Forwards body and headers as they are: the signature covers them, and Host too.
    async fn by_emulator(&self, seen: &Seen) -> Result<(Response<Full<Bytes>>, Outcome), String> {
        let target = self.parts.uri.path_and_query().map_or("/", |path| path.as_str());
        let uri: Uri = format!("{}{target}", self.state.upstream).parse().map_err(|error| format!("{error}"))?;
        let mut request = Request::new(Full::new(self.body.clone()));
        *request.method_mut() = self.parts.method.clone();
        *request.uri_mut() = uri;
        *request.headers_mut() = without_hop_headers(&self.parts.headers);
        let response = self.state.http.request(request).await.map_err(|error| with_causes(&error))?;
        let (parts, body) = response.into_parts();
        let body = body.collect().await.map_err(|error| with_causes(&error))?.to_bytes();
        let outcome = outcome(&parts.headers, parts.status.as_u16(), &body, seen.protocol);
        let mut response = Response::new(Full::new(body));
        *response.status_mut() = parts.status;
        *response.headers_mut() = without_hop_headers(&parts.headers);
        Ok((response, outcome))
    }
}

/// An error answer, and the record of it.
fn refused(fault: &Fault, seen: &Seen, call: &mut Call) -> Response<Full<Bytes>> {
    call.outcome = Outcome::Error { status: fault.status(), code: fault.code(seen.protocol).to_owned() };
    fault.answer(seen)
}

fn outcome(headers: &HeaderMap, status: u16, body: &[u8], protocol: Protocol) -> Outcome {
    if status < 300 {
        return Outcome::Ok { status };
    }
    let header = headers.get("x-amzn-errortype").and_then(|value| value.to_str().ok());
    let code = match protocol {
        Protocol::Cbor => cbor_error_code(body),
        Protocol::Query | Protocol::Json | Protocol::RestJson => error_in(header, body).0,
    };
    Outcome::Error { status, code: code.unwrap_or_default() }
}

fn without_hop_headers(headers: &HeaderMap) -> HeaderMap {
    let mut headers = headers.clone();
    for name in HOP_HEADERS {
        headers.remove(name);
    }
    headers
}

/// The body of an answer: all of it, or the first half followed by the end of the connection.
#[derive(Debug)]
pub(super) enum Answer {
    Whole(Full<Bytes>),
    Cut(Option<Bytes>),
}

impl Answer {
    fn whole(response: Response<Full<Bytes>>) -> Response<Self> {
        response.map(Self::Whole)
    }

    async fn cut(response: Response<Full<Bytes>>) -> Response<Self> {
        let (mut parts, body) = response.into_parts();
        let whole = match body.collect().await {
            Ok(body) => body.to_bytes(),
            Err(never) => match never {},
        };
        // The length of the whole is announced, so that the caller sees that it is not complete.
        parts.headers.insert("content-length", header_value(&whole.len().to_string()));
        Response::from_parts(parts, Self::Cut(Some(whole.slice(..whole.len() / 2))))
    }
}

impl Body for Answer {
    type Data = Bytes;
    type Error = Close;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Close>>> {
        match self.get_mut() {
            Self::Whole(body) => Pin::new(body).poll_frame(context).map_err(|never: Infallible| match never {}),
            Self::Cut(half) => Poll::Ready(Some(half.take().map(Frame::data).ok_or(Close))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(body) => body.is_end_stream(),
            Self::Cut(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(body) => body.size_hint(),
            Self::Cut(_) => SizeHint::default(),
        }
    }
}
