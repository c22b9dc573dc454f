//! The decisions, over any batch.

#![allow(clippy::expect_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use replicate_queue::plan::{
    Attribute, Content, MOST_ATTRIBUTES, MOST_BYTES, MOST_ENTRIES, Message, REPLICATED_FROM, Received, plan, size,
};

fn attribute() -> impl Strategy<Value = Attribute> {
    let text = |data_type: &'static str| {
        "[0-9]{1,9}".prop_map(move |text| Attribute { data_type: data_type.to_owned(), content: Content::Text(text) })
    };
    let bytes = vec(any::<u8>(), 1..20)
        .prop_map(|bytes| Attribute { data_type: "Binary.gif".to_owned(), content: Content::Bytes(bytes) });
    prop_oneof![text("String"), text("Number"), text("Number.int"), bytes]
}

/// Sizes around the limits, where decisions change.
fn body() -> impl Strategy<Value = String> {
    let length = prop_oneof![
        6 => 1..2_000usize,
        2 => MOST_BYTES / 4..MOST_BYTES / 2,
        2 => MOST_BYTES - 200..MOST_BYTES - 150,
        1 => MOST_BYTES - 20..=MOST_BYTES,
    ];
    length.prop_map(|length| "x".repeat(length))
}

fn message() -> impl Strategy<Value = Message> {
    let attributes = btree_map("[a-z]{1,8}", attribute(), 0..=MOST_ATTRIBUTES);
    (body(), attributes, prop::bool::weighted(0.2)).prop_map(|(body, mut attributes, is_echo)| {
        if is_echo {
            attributes.pop_last();
            let origin = Content::Text("us-east-2:m".to_owned());
            let data_type = "String".to_owned();
            attributes.insert(REPLICATED_FROM.to_owned(), Attribute { data_type, content: origin });
        }
        let mut message = Message {
            id: String::new(),
            region: "us-east-1".to_owned(),
            body,
            attributes,
            group: None,
            deduplication: None,
        };
        // As SQS hands it over: no longer than its limit.
        let excess = size(&message).saturating_sub(MOST_BYTES);
        message.body.truncate(message.body.len() - excess);
        message
    })
}

fn batch() -> impl Strategy<Value = Vec<Message>> {
    vec(message(), 0..=MOST_ENTRIES).prop_map(|mut batch| {
        for (index, message) in batch.iter_mut().enumerate() {
            message.id = format!("m-{index}");
        }
        batch
    })
}

fn received(message: &Message) -> Received {
    Received { id: message.id.clone(), message: Ok(message.clone()) }
}

fn without_origin(message: &Message) -> Message {
    let mut message = message.clone();
    message.attributes.remove(REPLICATED_FROM);
    message
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_message_is_sent_once_in_order_and_unchanged_or_is_an_echo(batch in batch()) {
        let plan = plan(batch.iter().map(received).collect());
        let (echoes, own): (Vec<&Message>, Vec<&Message>) =
            batch.iter().partition(|message| message.attributes.contains_key(REPLICATED_FROM));
        let sent: Vec<Message> = plan.calls.iter().flatten().map(without_origin).collect();
        prop_assert_eq!(sent, own.into_iter().cloned().collect::<Vec<_>>());
        prop_assert_eq!(plan.echoes, echoes.iter().map(|echo| echo.id.clone()).collect::<Vec<_>>());
        prop_assert!(plan.unreadable.is_empty());
    }

    #[test]
    fn no_call_and_no_message_is_beyond_a_limit(batch in batch()) {
        for call in plan(batch.iter().map(received).collect()).calls {
            prop_assert!((1..=MOST_ENTRIES).contains(&call.len()));
            prop_assert!(call.iter().map(size).sum::<usize>() <= MOST_BYTES);
            prop_assert!(call.iter().all(|message| message.attributes.len() <= MOST_ATTRIBUTES));
        }
    }

    #[test]
    fn the_origin_is_left_out_only_where_there_is_no_room_for_it(batch in batch()) {
        for message in plan(batch.iter().map(received).collect()).calls.iter().flatten() {
            let origin = format!("us-east-1:{}", message.id);
            let needs = REPLICATED_FROM.len() + "String".len() + origin.len();
            match message.attributes.get(REPLICATED_FROM) {
                Some(attribute) => prop_assert_eq!(&attribute.content, &Content::Text(origin)),
                None => prop_assert!(
                    message.attributes.len() == MOST_ATTRIBUTES || size(message) + needs > MOST_BYTES
                ),
            }
        }
    }

    #[test]
    fn two_calls_in_a_row_would_not_have_fitted_into_one(batch in batch()) {
        let calls = plan(batch.iter().map(received).collect()).calls;
        for pair in calls.windows(2) {
            let together = pair[0].iter().map(size).sum::<usize>() + size(&pair[1][0]);
            prop_assert!(together > MOST_BYTES || pair[0].len() == MOST_ENTRIES);
        }
    }
}

#[test]
fn a_message_at_the_limit_keeps_its_place_and_goes_without_its_origin() {
    let attributes = BTreeMap::new();
    let message = |id: &str, length: usize| Message {
        id: id.to_owned(),
        region: "us-east-1".to_owned(),
        body: "x".repeat(length),
        attributes: attributes.clone(),
        group: None,
        deduplication: None,
    };
    let origin = REPLICATED_FROM.len() + "String".len() + "us-east-1:a".len();
    for (length, is_labelled) in [(MOST_BYTES - origin, true), (MOST_BYTES - origin + 1, false), (MOST_BYTES, false)] {
        let calls = plan(vec![received(&message("a", length))]).calls;
        assert_eq!(calls[0][0].attributes.contains_key(REPLICATED_FROM), is_labelled, "{length}");
    }
}

#[test]
fn a_message_that_cannot_be_read_is_named_with_its_problem() {
    let batch = vec![Received { id: "m-1".to_owned(), message: Err("its body is missing".to_owned()) }];
    let plan = plan(batch);
    assert_eq!(plan.unreadable, [("m-1".to_owned(), "its body is missing".to_owned())]);
    assert!(plan.calls.is_empty() && plan.echoes.is_empty());
}
