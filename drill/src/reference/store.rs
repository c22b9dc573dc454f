//! The payments that a workload has kept, by the emulator's own API.

use serde_json::{Value, json};

use super::application::execute;
use super::{Estate, Keeps, Reference};
use crate::error::{Error, Result};
use crate::shop::Stored;

/// The payment function's time of a payment, in the form in which it answers it.
const TIME: &str = "to_char(processed_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"')";
/// A scan of more pages is not one of a drill.
const MAX_PAGES: u32 = 100;

/// All payments that a Region's store has.
///
/// # Errors
/// [`Error::Aws`] when a call fails, [`Error::Unexpected`] when an answer is not understood.
pub async fn stored(estate: &Estate, region: &str) -> Result<Vec<Stored>> {
    match estate.workload.keeps() {
        Keeps::DynamoDb => in_table(estate, region).await,
        Keeps::Aurora => in_database(estate, region).await,
    }
}

async fn in_table(estate: &Estate, region: &str) -> Result<Vec<Stored>> {
    let table = estate.output(region, "TableName")?;
    let (mut payments, mut from) = (Vec::new(), Value::Null);
    for _page in 0..MAX_PAGES {
        let mut input = json!({ "TableName": table, "ConsistentRead": true });
        if !from.is_null() {
            input["ExclusiveStartKey"] = from;
        }
        let answer = estate.aws().json("dynamodb", region, "Scan", &input).await?;
        for item in answer["Items"].as_array().into_iter().flatten() {
            let text = |name: &str| text(&item[name]["S"], name);
            payments.push(payment(text("transaction_id")?, text("amount")?, text("region")?, text("time")?));
        }
        from = answer["LastEvaluatedKey"].clone();
        if from.is_null() {
            return Ok(payments);
        }
    }
    Err(Error::Unexpected(format!("{table} has more than {MAX_PAGES} pages")))
}

async fn in_database(estate: &Estate, region: &str) -> Result<Vec<Stored>> {
    let cluster = estate.output(region, "ClusterArn")?;
    let secret = estate.output(region, "SecretArn")?;
    let database = (cluster, secret, estate.workload.database());
    let time = if estate.workload == Reference::Trading { "processed_at" } else { TIME };
    let sql = format!("SELECT transaction_id, amount, region, {time} FROM payments");
    let answer = execute(&estate.aws(), region, database, &sql, &[]).await?;
    let rows = answer["records"].as_array().map(Vec::as_slice).unwrap_or_default();
    rows.iter()
        .map(|row| {
            let column = |number: usize| text(&row[number]["stringValue"], "column");
            Ok(payment(column(0)?, column(1)?, column(2)?, &as_answered(column(3)?)))
        })
        .collect()
}

/// RFC 3339 allows a fraction without the zeros at its end, and the payment function answers so.
fn as_answered(time: &str) -> String {
    match time.strip_suffix('Z').and_then(|time| time.split_once('.')) {
        Some((seconds, fraction)) => match fraction.trim_end_matches('0') {
            "" => format!("{seconds}Z"),
            fraction => format!("{seconds}.{fraction}Z"),
        },
        None => time.to_owned(),
    }
}

fn text<'a>(value: &'a Value, name: &str) -> Result<&'a str> {
    value.as_str().ok_or_else(|| Error::Unexpected(format!("a payment without {name}")))
}

fn payment(transaction_id: &str, amount: &str, region: &str, time: &str) -> Stored {
    Stored {
        transaction_id: transaction_id.to_owned(),
        amount: amount.to_owned(),
        region: region.to_owned(),
        time: time.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_reads_as_the_payment_function_answers_it() {
        for (stored, answered) in [
            ("2026-11-22T01:00:00.120Z", "2026-11-22T01:00:00.12Z"),
            ("2026-11-22T01:00:00.000Z", "2026-11-22T01:00:00Z"),
            ("2026-11-22T01:00:00.123Z", "2026-11-22T01:00:00.123Z"),
            ("1795309617983", "1795309617983"),
        ] {
            assert_eq!(as_answered(stored), answered);
        }
    }
}
