//! Error answers in the form of each protocol.

use http::{Response, StatusCode};
use http_body_util::Full;
use hyper::body::Bytes;

use super::request::{Protocol, Seen};
use crate::aws::header_value;

/// An error that the gateway answers in the service's place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The call was throttled before anything was done.
    Throttled,
    /// HTTP 503: it is not known whether anything was done.
    Unavailable,
    /// Any other error.
    Error {
        /// HTTP status.
        status: u16,
        /// The service's error code.
        code: String,
        /// The service's message.
        message: String,
    },
}

impl Fault {
    /// An error of the service.
    #[must_use]
    pub fn error(status: u16, code: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Error { status, code: code.into(), message: message.into() }
    }

    pub(super) fn status(&self) -> u16 {
        match self {
            Self::Throttled => 400,
            Self::Unavailable => 503,
            Self::Error { status, .. } => *status,
        }
    }

    /// The code in the spelling of the protocol: the XML services leave out "Exception".
    pub(super) fn code(&self, protocol: Protocol) -> &str {
        match (self, protocol) {
            (Self::Throttled, Protocol::Query) => "Throttling",
            (Self::Throttled, Protocol::Json | Protocol::Cbor | Protocol::RestJson) => "ThrottlingException",
            (Self::Unavailable, Protocol::Query) => "ServiceUnavailable",
            (Self::Unavailable, Protocol::Json | Protocol::Cbor | Protocol::RestJson) => "ServiceUnavailableException",
            (Self::Error { code, .. }, _) => code,
        }
    }

    fn message(&self) -> &str {
        match self {
            Self::Throttled => "Rate exceeded",
            Self::Unavailable => "Service is unavailable",
            Self::Error { message, .. } => message,
        }
    }

    pub(super) fn answer(&self, seen: &Seen) -> Response<Full<Bytes>> {
        let (code, message) = (self.code(seen.protocol), self.message());
        let (content_type, body) = match seen.protocol {
            Protocol::Query => ("text/xml", xml(&seen.service, code, message)),
            Protocol::Json => ("application/x-amz-json-1.0", json(code, message)),
            Protocol::RestJson => ("application/json", json(code, message)),
            Protocol::Cbor => ("application/cbor", cbor(code, message)),
        };
        let mut response = Response::new(Full::new(Bytes::from(body)));
        *response.status_mut() = StatusCode::from_u16(self.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = response.headers_mut();
        headers.insert("content-type", header_value(content_type));
        headers.insert("x-amzn-requestid", header_value("00000000-0000-0000-0000-000000000000"));
        if seen.protocol == Protocol::Cbor {
            headers.insert("smithy-protocol", header_value("rpc-v2-cbor"));
        }
        if seen.protocol == Protocol::RestJson {
            headers.insert("x-amzn-errortype", header_value(code));
        }
        response
    }
}

fn xml(service: &str, code: &str, message: &str) -> Vec<u8> {
    let (code, message) = (escaped(code), escaped(message));
    let error = format!("<Code>{code}</Code><Message>{message}</Message>");
    let text = if service == "s3" {
        format!("<Error>{error}<RequestId>0</RequestId></Error>")
    } else {
        format!("<ErrorResponse><Error><Type>Sender</Type>{error}</Error><RequestId>0</RequestId></ErrorResponse>")
    };
    text.into_bytes()
}

/// Text for the content of an XML element.
pub(super) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn json(code: &str, message: &str) -> Vec<u8> {
    serde_json::json!({ "__type": code, "message": message }).to_string().into_bytes()
}

/// A CBOR map (RFC 8949) of two pairs of text strings.
fn cbor(code: &str, message: &str) -> Vec<u8> {
    let mut bytes = vec![0xa2];
    for text in ["__type", code, "message", message] {
        cbor_text(&mut bytes, text);
    }
    bytes
}

fn cbor_text(bytes: &mut Vec<u8>, text: &str) {
    match u8::try_from(text.len()) {
        Ok(length @ 0..=23) => bytes.push(0x60 | length),
        Ok(length) => bytes.extend([0x78, length]),
        Err(_longer) => {
            let length = u16::try_from(text.len()).unwrap_or(u16::MAX);
            bytes.push(0x79);
            bytes.extend(length.to_be_bytes());
            bytes.extend(&text.as_bytes()[..usize::from(length)]);
            return;
        }
    }
    bytes.extend(text.as_bytes());
}

/// The `__type` of a CBOR error answer.
pub(super) fn cbor_error_code(body: &[u8]) -> Option<String> {
    const KEY: &[u8] = b"\x66__type";
    let start = body.windows(KEY.len()).position(|window| window == KEY)? + KEY.len();
    let (length, text) = match *body.get(start)? {
        short @ 0x60..=0x77 => (usize::from(short & 0x1f), start + 1),
        0x78 => (usize::from(*body.get(start + 1)?), start + 2),
        _other => return None,
    };
    let code = String::from_utf8_lossy(body.get(text..text + length)?).into_owned();
    Some(code.rsplit('#').next().unwrap_or(&code).to_owned())
}

#[cfg(test)]
mod tests {
    use super::super::request::Caller;
    use super::*;
    use crate::aws::error_in;

    #[test]
    fn every_xml_and_json_fault_is_read_back_by_the_drills_own_client() {
        let message = "<no> & \"never\"";
        for body in [xml("rds", "Throttling", message), xml("s3", "SlowDown", message), json("Other", message)] {
            let (code, read) = error_in(None, &body);
            assert!(["Throttling", "SlowDown", "Other"].contains(&code.unwrap().as_str()));
            assert_eq!(read.as_deref(), Some(message));
        }
    }

    #[test]
    fn a_cbor_fault_is_a_map_of_two_text_pairs() {
        assert_eq!(cbor("A", "bc"), b"\xa2\x66__type\x61A\x67message\x62bc");
        let long = "x".repeat(40);
        assert_eq!(cbor_error_code(&cbor(&format!("com.amazonaws.cloudwatch#{long}"), "m")), Some(long));
    }

    #[test]
    fn a_long_cbor_text_is_written_with_a_two_byte_length() {
        let bytes = cbor("A", &"y".repeat(300));
        assert!(bytes.windows(3).any(|window| window == [0x79, 0x01, 0x2c]));
        assert!(bytes.ends_with(&[b'y'; 300]));
    }

    #[test]
    fn a_rest_json_fault_names_its_code_in_a_header() {
        let seen = Seen {
            caller: Caller::default(),
            region: "eu-west-1".to_owned(),
            service: "xray".to_owned(),
            operation: "PutTraceSegments".to_owned(),
            protocol: Protocol::RestJson,
            trace_id: None,
            ledger: None,
            failover_id: None,
        };
        let answer = Fault::Throttled.answer(&seen);
        assert_eq!(answer.headers()["x-amzn-errortype"], "ThrottlingException");
    }
}
