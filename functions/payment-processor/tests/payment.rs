//! What a payment is, for any text.
#![allow(clippy::expect_used, reason = "a failed expectation is a failed test")]

use failover::contract::{Region, Timestamp};
use payment_processor::metrics::{Outcome, embedded};
use payment_processor::payment::{
    Amount, Charge, FRACTION_DIGITS, Invalid, LONGEST_ID, Payment, TransactionId, Verdict, WHOLE_DIGITS, judge,
};
use proptest::prelude::*;
use serde_json::json;

fn charge(amount: &str, request_id: &str) -> Charge {
    Charge {
        payment: Payment {
            transaction_id: TransactionId::parse("t-1").expect("an id"),
            amount: Amount::parse(amount).expect("an amount"),
        },
        time: Timestamp::from_millis(1_795_233_600_000),
        region: Region::parse("us-east-1").expect("a Region"),
        request_id: request_id.to_owned(),
    }
}

proptest! {
    #[test]
    fn an_amount_keeps_its_very_text_as_number_and_as_string(
        amount in "[1-9][0-9]{0,11}(\\.[0-9]{1,4})?", id in "[!#-\\[\\]-~]{1,128}",
    ) {
        for written in [amount.clone(), format!("\"{amount}\"")] {
            let body = format!("{{\"amount\": {written}, \"transaction_id\": {}, \"note\": [1]}}", json!(id));
            let payment = Payment::parse(body.as_bytes()).expect("a payment");
            prop_assert_eq!(payment.amount.as_str(), amount.as_str());
            prop_assert_eq!(payment.transaction_id.as_str(), id.as_str());
        }
    }

    #[test]
    fn only_positive_decimals_of_bounded_length_are_amounts(text in "\\PC{0,20}|[-+0-9.eE]{0,20}") {
        let (whole, fraction) = text.split_once('.').unwrap_or((&text, "0"));
        let digits = |part: &str, most| {
            !part.is_empty() && part.len() <= most && part.chars().all(|one| one.is_ascii_digit())
        };
        let leading_zero = whole.len() > 1 && whole.starts_with('0');
        let positive = text.chars().any(|one| ('1'..='9').contains(&one));
        let expected = digits(whole, WHOLE_DIGITS) && digits(fraction, FRACTION_DIGITS) && !leading_zero && positive;
        prop_assert_eq!(Amount::parse(&text).is_ok(), expected, "{:?}", text);
    }

    #[test]
    fn amounts_are_equal_exactly_when_their_values_are(
        a in 1u64..100_000, b in 1u64..100_000, zeros_a in 0usize..=2, zeros_b in 0usize..=2,
    ) {
        let text = |cents: u64, zeros: usize| format!("{}.{:02}{}", cents / 100, cents % 100, "0".repeat(zeros));
        let [left, right] = [text(a, zeros_a), text(b, zeros_b)].map(|text| Amount::parse(&text).expect("an amount"));
        prop_assert_eq!(left == right, a == b);
        prop_assert_eq!(&left, &Amount::parse(&text(a, zeros_b)).expect("an amount"));
        if a % 100 == 0 {
            prop_assert_eq!(&left, &Amount::parse(&(a / 100).to_string()).expect("an amount"));
        }
    }

    #[test]
    fn only_printable_ascii_of_bounded_length_is_an_id(text in "\\PC{0,140}|[ -~]{0,140}") {
        let expected = (1..=LONGEST_ID).contains(&text.len()) && text.bytes().all(|byte| (0x21..0x7f).contains(&byte));
        prop_assert_eq!(TransactionId::parse(&text).is_ok(), expected, "{:?}", text);
    }

    #[test]
    fn no_body_makes_the_reading_panic(body in proptest::collection::vec(any::<u8>(), 0..200)) {
        let read = Payment::parse(&body);
        prop_assert!(!matches!(&read, Err(Invalid::Field(field, _)) if !["transaction_id", "amount"].contains(field)));
    }

    #[test]
    fn an_id_that_is_known_is_charged_by_its_own_invocation_alone(
        asked in 1u64..1000, stored in 1u64..1000, same_invocation: bool,
    ) {
        let asked = charge(&asked.to_string(), "r-1");
        let stored = charge(&stored.to_string(), if same_invocation { "r-1" } else { "r-0" });
        let expected = if same_invocation {
            Verdict::Charged(stored.clone())
        } else if asked.payment.amount == stored.payment.amount {
            Verdict::Repeat(stored.clone())
        } else {
            Verdict::OtherAmount
        };
        prop_assert_eq!(judge(&asked, stored), expected);
    }
}

#[test]
fn the_longest_amount_and_id_pass_and_one_more_does_not() {
    let longest = format!("{}.{}", "9".repeat(WHOLE_DIGITS), "9".repeat(FRACTION_DIGITS));
    assert!(Amount::parse(&longest).is_ok());
    assert!(Amount::parse(&format!("9{longest}")).is_err());
    assert!(Amount::parse(&format!("{longest}9")).is_err());
    assert!(TransactionId::parse(&"x".repeat(LONGEST_ID)).is_ok());
    assert!(TransactionId::parse(&"x".repeat(LONGEST_ID + 1)).is_err());
}

#[test]
fn metrics_are_declared_with_their_values_and_the_region() {
    let (now, region) = (Timestamp::from_millis(5), Region::parse("us-east-1").expect("a Region"));
    let amount = Amount::parse("12.50").expect("an amount");
    assert_eq!(
        embedded("Payments", &region, now, Outcome::Processed(&amount)),
        json!({
            "_aws": { "Timestamp": 5, "CloudWatchMetrics": [{
                "Namespace": "Payments", "Dimensions": [["Region"]],
                "Metrics": [{ "Name": "PaymentsProcessed", "Unit": "Count" }, { "Name": "PaymentAmount", "Unit": "None" }],
            }] },
            "Region": "us-east-1", "PaymentsProcessed": 1, "PaymentAmount": 12.5,
        })
    );
    let failed = embedded("Payments", &region, now, Outcome::Failed);
    assert_eq!((&failed["PaymentsFailed"], &failed["PaymentsProcessed"]), (&json!(1), &json!(null)));
    assert_eq!(
        failed["_aws"]["CloudWatchMetrics"][0]["Metrics"],
        json!([{ "Name": "PaymentsFailed", "Unit": "Count" }])
    );
}
