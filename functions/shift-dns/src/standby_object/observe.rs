//! Looks at the object. S3 is strongly consistent: what a change did is seen at once.
//! Source: <https://docs.aws.amazon.com/AmazonS3/latest/userguide/Welcome.html#ConsistencyModel>

use failover::aws_call::{CallError, Meaning};
use failover::contract::Timestamp;
use failover::env::millis;
use failover::error::Error;
use failover::step::LastChange;

use super::Object;
use super::plan::{Action, FIELD, ObjectShift, Observation, Present};

impl Object<'_> {
    /// Looks at everything the plan needs.
    ///
    /// # Errors
    /// [`Error::InvalidRequest`] for a bucket that does not exist or stands in another Region, and errors of the calls.
    pub(super) async fn look(
        &self,
        request: &ObjectShift,
        last: Option<&LastChange<Action>>,
    ) -> Result<Observation, Error> {
        let object = self.look_at_object(request).await.map_err(|error| unreadable(request, error))?;
        if object.is_none() {
            // A missing bucket's objects are missing just so.
            self.look_at_bucket(request).await.map_err(|error| unreadable(request, error))?;
        }
        Ok(Observation { object, changed_by: last.map(|last| self.changed_by(last)) })
    }

    /// The object; none when it is not there. Needs `s3:GetObject`, and `s3:ListBucket` to be told that it is not there.
    /// Source: <https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadObject.html>
    pub(super) async fn look_at_object(&self, request: &ObjectShift) -> Result<Option<Present>, CallError> {
        let object = &request.object;
        let question = self
            .reading
            .head_object()
            .bucket(&object.bucket)
            .key(&object.key)
            .expected_bucket_owner(self.tools.config.account.as_str());
        match self.tools.calls.call("s3", "GetObject", question.send()).await {
            Ok(answer) => {
                let millis = answer.last_modified().and_then(|moment| moment.to_millis().ok());
                Ok(Some(Present { last_modified: millis.map(Timestamp::from_millis) }))
            }
            Err(error) if error.meaning == Meaning::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Whether the bucket is there, is ours and stands in its Region.
    pub(super) async fn look_at_bucket(&self, request: &ObjectShift) -> Result<(), CallError> {
        let question = self
            .reading
            .head_bucket()
            .bucket(&request.object.bucket)
            .expected_bucket_owner(self.tools.config.account.as_str());
        self.tools.calls.call("s3", "ListBucket", question.send()).await.map(drop)
    }

    /// The moment by which the last change was made: the receipt says it, and without one it was sent while its
    /// invocation lived.
    fn changed_by(&self, last: &LastChange<Action>) -> Timestamp {
        let config = &self.tools.config;
        let receipt = last.receipt.as_deref().and_then(|text| Timestamp::parse(text).ok());
        receipt.unwrap_or_else(|| last.at.plus_millis(millis(config.step_budget) + millis(config.access.call_timeout)))
    }
}

fn unreadable(request: &ObjectShift, error: CallError) -> Error {
    let object = &request.object;
    match error.meaning {
        Meaning::NotFound => Error::invalid(format!("{FIELD}.bucket"), format!("there is no bucket {}", object.bucket)),
        Meaning::Invalid => Error::invalid(
            format!("{FIELD}.region"),
            format!("S3 in {} does not serve bucket {}: {error}", object.region, object.bucket),
        ),
        Meaning::Throttled
        | Meaning::Denied
        | Meaning::Conflict
        | Meaning::Forbidden
        | Meaning::Unavailable
        | Meaning::Unreachable => Error::from_read(format!("looking at {}", request.title()), error),
    }
}
