//! What a payment is, and what becomes of one when its id was charged before. Pure.

use failover::contract::{Region, Timestamp};
use serde::Deserialize;
use serde_json::value::RawValue;

/// The longest id, in characters.
pub const LONGEST_ID: usize = 128;
/// So many digits may stand before the point of an amount.
pub const WHOLE_DIGITS: usize = 12;
/// So many digits may stand after it.
pub const FRACTION_DIGITS: usize = 4;

/// What a payment's status is once it is kept.
pub const STATUS: &str = "processed";

/// What a client gives each payment of its own, and gives again when it asks again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransactionId(String);

impl TransactionId {
    /// Checks it: 1 to [`LONGEST_ID`] printable ASCII characters without spaces.
    ///
    /// # Errors
    /// What was expected.
    pub fn parse(text: &str) -> Result<Self, String> {
        if (1..=LONGEST_ID).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic()) {
            Ok(Self(text.to_owned()))
        } else {
            Err(format!("expected 1 to {LONGEST_ID} printable ASCII characters without spaces"))
        }
    }

    /// The text that was given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A positive decimal, in the very text that was given: binary fractions would change it.
#[derive(Clone, Debug)]
pub struct Amount(String);

impl Amount {
    /// Checks it: up to [`WHOLE_DIGITS`] digits without leading zeros, then perhaps a point and up to
    /// [`FRACTION_DIGITS`] digits, and not zero.
    ///
    /// # Errors
    /// What was expected.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (whole, fraction) = text.split_once('.').map_or((text, None), |(whole, after)| (whole, Some(after)));
        let digits =
            |part: &str, most| (1..=most).contains(&part.len()) && part.bytes().all(|one| one.is_ascii_digit());
        let well_formed = digits(whole, WHOLE_DIGITS)
            && (whole == "0" || !whole.starts_with('0'))
            && fraction.is_none_or(|fraction| digits(fraction, FRACTION_DIGITS));
        if well_formed && text.bytes().any(|byte| (b'1'..=b'9').contains(&byte)) {
            Ok(Self(text.to_owned()))
        } else {
            Err(format!(
                "expected a positive decimal such as 12.50, with at most {WHOLE_DIGITS} digits before the point and \
                 {FRACTION_DIGITS} after it"
            ))
        }
    }

    /// The text that was given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The nearest binary fraction, for statistics.
    #[must_use]
    pub fn approximately(&self) -> f64 {
        self.0.parse().unwrap_or_default()
    }

    /// Whole part, and fraction without trailing zeros.
    fn value(&self) -> (&str, &str) {
        let (whole, fraction) = self.0.split_once('.').unwrap_or((&self.0, ""));
        (whole, fraction.trim_end_matches('0'))
    }
}

/// By value: 12.5 is 12.50.
impl PartialEq for Amount {
    fn eq(&self, other: &Self) -> bool {
        self.value() == other.value()
    }
}

impl Eq for Amount {}

/// What a client asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payment {
    /// `transaction_id`.
    pub transaction_id: TransactionId,
    /// `amount`.
    pub amount: Amount,
}

/// Why a body is no payment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Invalid {
    /// It is not a JSON object.
    Malformed(String),
    /// A field is missing.
    Missing(&'static str),
    /// A field is not what it has to be: its name, and what was expected.
    Field(&'static str, String),
}

/// The fields as they stand in the JSON, so that a number keeps its text.
#[derive(Deserialize)]
struct Fields<'a> {
    #[serde(borrow, default)]
    transaction_id: Option<&'a RawValue>,
    #[serde(borrow, default)]
    amount: Option<&'a RawValue>,
}

impl Payment {
    /// Reads a body. Fields that a payment has not are left aside.
    ///
    /// # Errors
    /// Why it is no payment.
    pub fn parse(body: &[u8]) -> Result<Self, Invalid> {
        let malformed = |problem: &dyn ToString| Invalid::Malformed(problem.to_string());
        let text = std::str::from_utf8(body).map_err(|problem| malformed(&problem))?;
        if !text.trim_start().starts_with('{') {
            return Err(Invalid::Malformed("expected a JSON object".to_owned()));
        }
        let fields: Fields<'_> = serde_json::from_str(text).map_err(|problem| malformed(&problem))?;
        let id = fields.transaction_id.ok_or(Invalid::Missing("transaction_id"))?;
        let amount = fields.amount.ok_or(Invalid::Missing("amount"))?;
        let id = string(id).ok_or_else(|| Invalid::Field("transaction_id", "expected a string".to_owned()))?;
        let transaction_id = TransactionId::parse(&id).map_err(|problem| Invalid::Field("transaction_id", problem))?;
        // A number is its own text; what is neither number nor string fails the check.
        let amount = string(amount).unwrap_or_else(|| amount.get().to_owned());
        let amount = Amount::parse(&amount).map_err(|problem| Invalid::Field("amount", problem))?;
        Ok(Self { transaction_id, amount })
    }
}

fn string(value: &RawValue) -> Option<String> {
    serde_json::from_str(value.get()).ok()
}

/// A payment as a store keeps it. That it is kept is what charging means here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Charge {
    /// What was asked for.
    pub payment: Payment,
    /// When it was taken.
    pub time: Timestamp,
    /// Where.
    pub region: Region,
    /// The invocation that took it, by Lambda's id of the request. It tells a repeat from an invocation whose own write
    /// took effect although its answer was lost.
    pub request_id: String,
}

/// What becomes of a payment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Charged now.
    Charged(Charge),
    /// Charged before, as this; not again.
    Repeat(Charge),
    /// The id was charged before with another amount. Nothing was charged now.
    OtherAmount,
}

/// What becomes of a payment whose id the store knows already.
#[must_use]
pub fn judge(asked: &Charge, stored: Charge) -> Verdict {
    if stored.request_id == asked.request_id {
        Verdict::Charged(stored)
    } else if stored.payment.amount == asked.payment.amount {
        Verdict::Repeat(stored)
    } else {
        Verdict::OtherAmount
    }
}
