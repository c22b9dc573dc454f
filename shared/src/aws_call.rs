//! What became of one call to AWS, told apart from the SDK's types: what the answer means, and whether it was applied.

use std::fmt;
use std::future::Future;

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;

use crate::telemetry::Trace;

/// A failed call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallError {
    /// The service, as in IAM actions (`rds`).
    pub service: &'static str,
    /// The operation (`FailoverGlobalCluster`); empty for [`CallError::too_late`].
    pub operation: &'static str,
    /// The service's error code, empty when there was no answer.
    pub code: String,
    /// The service's message, or what the network said.
    pub message: String,
    /// What it means.
    pub meaning: Meaning,
    /// Whether it can have been applied.
    pub sent: Sent,
}

/// What a failed call means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Meaning {
    /// Too many requests: the same request can succeed later.
    Throttled,
    /// The credentials do not permit it.
    Denied,
    /// The resource is in a state that does not allow it now.
    Conflict,
    /// A rule that people made to guard the resource forbids it.
    Forbidden,
    /// The resource does not exist.
    NotFound,
    /// The request itself is wrong.
    Invalid,
    /// The service failed.
    Unavailable,
    /// There was no answer: refused, reset or timed out.
    Unreachable,
}

impl Meaning {
    /// Every meaning, for tests.
    pub const ALL: [Self; 8] = [
        Self::Throttled,
        Self::Denied,
        Self::Conflict,
        Self::Forbidden,
        Self::NotFound,
        Self::Invalid,
        Self::Unavailable,
        Self::Unreachable,
    ];
}

/// Whether a failed call can have been applied, from certainly not to possibly.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Sent {
    /// It never left: construction failed, or the connection was refused.
    NotSent,
    /// The service answered that it did not do it.
    Rejected,
    /// Anything else: timeouts, resets, 5xx answers, answers that cannot be read.
    PossiblyApplied,
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.operation.is_empty() {
            return f.write_str(&self.message);
        }
        write!(f, "{}:{}", self.service, self.operation)?;
        if self.code.is_empty() {
            write!(f, " got no answer ({})", self.message)
        } else {
            write!(f, " answered {}: {}", self.code, self.message)
        }
    }
}

impl std::error::Error for CallError {}

impl CallError {
    /// A call that the service refused with an error of its own.
    #[must_use]
    pub fn rejected(service: &'static str, operation: &'static str, code: &str, message: &str) -> Self {
        Self {
            service,
            operation,
            code: code.to_owned(),
            message: message.to_owned(),
            meaning: meaning_of(code, 400),
            sent: Sent::Rejected,
        }
    }

    /// A change that was not sent, since the time for it was up.
    #[must_use]
    pub fn too_late() -> Self {
        Self {
            service: "",
            operation: "",
            code: String::new(),
            message: "the time was up before the change could be sent".to_owned(),
            meaning: Meaning::Unreachable,
            sent: Sent::NotSent,
        }
    }

    /// Classifies an SDK error.
    pub fn from_sdk<E>(service: &'static str, operation: &'static str, error: &SdkError<E, HttpResponse>) -> Self
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        let described =
            |message: String, meaning, sent| Self { service, operation, code: String::new(), message, meaning, sent };
        match error {
            SdkError::ConstructionFailure(_) => described(innermost(error), Meaning::Invalid, Sent::NotSent),
            SdkError::DispatchFailure(failure) => {
                // The connector reports a refused connection and one that broke later both as I/O errors;
                // only the operating system's refusal proves that nothing was sent.
                let sent = if was_refused(failure.as_connector_error().map(|error| error as _)) {
                    Sent::NotSent
                } else {
                    Sent::PossiblyApplied
                };
                described(innermost(error), Meaning::Unreachable, sent)
            }
            SdkError::TimeoutError(_) | SdkError::ResponseError(_) => {
                described(innermost(error), Meaning::Unreachable, Sent::PossiblyApplied)
            }
            SdkError::ServiceError(answer) => {
                let status = answer.raw().status().as_u16();
                let code = answer.err().code().unwrap_or("UnknownError").to_owned();
                // Success that cannot be read is an error to the SDK, but the change was made.
                let meaning = match status {
                    ..300 => Meaning::Unavailable,
                    // A redirection, as S3 answers in the wrong Region: nothing was done here.
                    300..400 => Meaning::Invalid,
                    _ => meaning_of(&code, status),
                };
                // Some services have a code for their own failures whatever the status.
                let failed = meaning == Meaning::Unavailable || (status >= 500 && meaning != Meaning::Throttled);
                let sent = if failed { Sent::PossiblyApplied } else { Sent::Rejected };
                let message = answer.err().message().unwrap_or("no message").to_owned();
                Self { service, operation, code, message, meaning, sent }
            }
            // `SdkError` is non-exhaustive: what is not known may have been applied.
            _ => described(innermost(error), Meaning::Unavailable, Sent::PossiblyApplied),
        }
    }

    /// Whether it says that the Region cannot answer now, not that the request cannot succeed.
    #[must_use]
    pub fn is_silence(&self) -> bool {
        matches!(self.meaning, Meaning::Unreachable | Meaning::Unavailable | Meaning::Throttled)
    }

    /// The same for a change in a Region that may be gone (X1): whatever another attempt can cure counts as possibly
    /// applied, so that the step looks again as long as its own time lasts, instead of failing and being started anew.
    #[must_use]
    pub fn in_a_region_that_may_be_gone(self) -> Self {
        match self.meaning {
            Meaning::Denied | Meaning::Forbidden | Meaning::Invalid | Meaning::NotFound => self,
            Meaning::Throttled | Meaning::Conflict | Meaning::Unavailable | Meaning::Unreachable => {
                Self { sent: Sent::PossiblyApplied, ..self }
            }
        }
    }
}

/// Makes calls to AWS: classifies their errors, and records each as an X-Ray subsegment (F10).
#[derive(Clone, Debug)]
pub struct Calls {
    trace: Trace,
}

impl Calls {
    /// Calls that are recorded in `trace`.
    #[must_use]
    pub fn new(trace: Trace) -> Self {
        Self { trace }
    }

    /// Makes one call; `service` and `operation` are named as in IAM actions.
    ///
    /// # Errors
    /// What the call's error means, and whether it can have been applied.
    pub fn call<T, E>(
        &self,
        service: &'static str,
        operation: &'static str,
        request: impl Future<Output = Result<T, SdkError<E, HttpResponse>>>,
    ) -> impl Future<Output = Result<T, CallError>>
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        // The SDK's futures are big, and callers hold several of them side by side: on the heap, not in each of theirs.
        let request = Box::pin(request);
        async move {
            let span = self.trace.begin(service, Some(operation));
            let outcome = request.await.map_err(|error| CallError::from_sdk(service, operation, &error));
            self.trace.end(span, outcome.as_ref().err().map(ToString::to_string));
            outcome
        }
    }
}

/// The operating system's refusal somewhere below a connector error.
fn was_refused(error: Option<&(dyn std::error::Error + 'static)>) -> bool {
    let mut next = error;
    while let Some(error) = next {
        if let Some(io) = error.downcast_ref::<std::io::Error>()
            && io.kind() == std::io::ErrorKind::ConnectionRefused
        {
            return true;
        }
        next = error.source();
    }
    false
}

fn innermost(error: &(dyn std::error::Error + 'static)) -> String {
    let mut deepest = error;
    while let Some(source) = deepest.source() {
        deepest = source;
    }
    deepest.to_string()
}

/// What an error code means. Codes are those of the services' API models; whatever is not listed follows the status.
fn meaning_of(code: &str, status: u16) -> Meaning {
    match code {
        "Throttling"
        | "ExecutionLimitExceeded"
        | "KmsThrottlingException"
        | "KMSThrottling"
        | "Throttled"
        | "ThrottlingException"
        | "ThrottledException"
        | "RequestLimitExceeded"
        | "TooManyRequestsException"
        | "ProvisionedThroughputExceededException"
        | "RequestThrottledException"
        | "ConcurrentUpdateException"
        | "LimitExceededException"
        | "PriorRequestNotComplete"
        | "SlowDown"
        | "ReplicatedWriteConflictException" => Meaning::Throttled,
        "AccessDenied"
        | "KmsAccessDeniedException"
        | "KMSAccessDenied"
        | "AccessDeniedException"
        | "UnauthorizedOperation"
        | "UnrecognizedClientException"
        | "InvalidClientTokenId"
        | "SignatureDoesNotMatch"
        | "ExpiredToken"
        | "ExpiredTokenException"
        | "AuthorizationError"
        | "NotAuthorized" => Meaning::Denied,
        "InvalidDBClusterStateFault"
        | "InvalidGlobalClusterStateFault"
        | "InvalidDBInstanceState"
        | "ServiceNotActiveException"
        | "ConditionalCheckFailedException"
        | "InvalidChangeBatch"
        | "ExecutionAlreadyExists"
        | "ResourceInUseException"
        | "PreconditionFailed"
        | "ConditionalRequestConflict"
        | "OperationAborted"
        | "ConflictException"
        | "TransactionConflictException" => Meaning::Conflict,
        "GlobalClusterNotFoundFault"
        | "DBClusterNotFoundFault"
        | "DBInstanceNotFound"
        | "ClusterNotFoundException"
        | "ServiceNotFoundException"
        | "ResourceNotFoundException"
        | "ObjectNotFoundException"
        | "NoSuchHostedZone"
        | "NoSuchChange"
        | "NoSuchHealthCheck"
        | "NoSuchBucket"
        | "NoSuchKey"
        | "EndpointGroupNotFoundException"
        | "AcceleratorNotFoundException"
        | "NotFound"
        | "StateMachineDoesNotExist"
        | "NotFoundException" => Meaning::NotFound,
        "EndpointTemporarilyUnavailableException" | "InternalServiceErrorException" => Meaning::Unavailable,
        _ if status >= 500 => Meaning::Unavailable,
        _ if status == 429 => Meaning::Throttled,
        _ if status == 403 => Meaning::Denied,
        _ => Meaning::Invalid,
    }
}

#[cfg(test)]
mod tests {
    use aws_smithy_runtime_api::http::StatusCode;
    use aws_smithy_types::body::SdkBody;
    use aws_smithy_types::error::ErrorMetadata;

    use super::*;

    #[test]
    fn known_codes_have_their_meaning_whatever_the_status() {
        assert_eq!(meaning_of("PriorRequestNotComplete", 400), Meaning::Throttled);
        assert_eq!(meaning_of("InvalidGlobalClusterStateFault", 400), Meaning::Conflict);
        assert_eq!(meaning_of("GlobalClusterNotFoundFault", 404), Meaning::NotFound);
        assert_eq!(meaning_of("AccessDenied", 403), Meaning::Denied);
    }

    #[test]
    fn a_change_may_have_been_applied_when_its_answer_is_a_failure_of_the_service_or_cannot_be_read() {
        for (status, code, meaning, sent) in [
            (200, None, Meaning::Unavailable, Sent::PossiblyApplied),
            (301, Some("PermanentRedirect"), Meaning::Invalid, Sent::Rejected),
            (400, Some("InternalServiceErrorException"), Meaning::Unavailable, Sent::PossiblyApplied),
            (400, Some("Throttling"), Meaning::Throttled, Sent::Rejected),
            (400, None, Meaning::Invalid, Sent::Rejected),
            (403, None, Meaning::Denied, Sent::Rejected),
            (500, Some("InternalError"), Meaning::Unavailable, Sent::PossiblyApplied),
            (503, Some("Throttling"), Meaning::Throttled, Sent::Rejected),
            (412, Some("PreconditionFailed"), Meaning::Conflict, Sent::Rejected),
        ] {
            let mut metadata = ErrorMetadata::builder();
            if let Some(code) = code {
                metadata = metadata.code(code);
            }
            let http = HttpResponse::new(StatusCode::try_from(status).expect("a status"), SdkBody::empty());
            let error = CallError::from_sdk("route53", "X", &SdkError::service_error(metadata.build(), http));
            assert_eq!((error.meaning, error.sent), (meaning, sent), "{status} {code:?}");
        }
    }

    #[test]
    fn in_a_region_that_may_be_gone_only_what_is_hopeless_stays_an_error() {
        for meaning in Meaning::ALL {
            let error = CallError { meaning, ..CallError::rejected("ecs", "UpdateService", "X", "y") };
            let hopeless =
                [Meaning::Denied, Meaning::Forbidden, Meaning::Invalid, Meaning::NotFound].contains(&meaning);
            let expected = if hopeless { Sent::Rejected } else { Sent::PossiblyApplied };
            assert_eq!(error.in_a_region_that_may_be_gone().sent, expected, "{meaning:?}");
        }
    }

    #[test]
    fn unknown_codes_follow_the_status() {
        assert_eq!(meaning_of("Surprise", 503), Meaning::Unavailable);
        assert_eq!(meaning_of("Surprise", 429), Meaning::Throttled);
        assert_eq!(meaning_of("Surprise", 403), Meaning::Denied);
        assert_eq!(meaning_of("Surprise", 400), Meaning::Invalid);
    }
}
