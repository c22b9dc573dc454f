//! Creates or deletes the object: one action is one call.

use aws_sdk_s3::primitives::ByteStream;
use failover::aws_call::{CallError, Meaning, Sent};

use super::Object;
use super::plan::{Action, Note, ObjectShift};

impl Object<'_> {
    /// Makes the change. An object that appeared meanwhile is not overwritten: its content says who put it there.
    /// Deleting what is gone already is no error.
    ///
    /// # Errors
    /// Those of the call. `PreconditionFailed` means that the object is there: look again.
    /// Source: <https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html>
    pub(super) async fn change(&self, request: &ObjectShift, action: &Action) -> Result<(), CallError> {
        match action {
            Action::Create(note) => self.create(request, note).await,
            Action::Delete => self.delete(request).await,
        }
    }

    async fn create(&self, request: &ObjectShift, note: &Note) -> Result<(), CallError> {
        let content = serde_json::to_vec_pretty(note).map_err(|error| CallError {
            service: "s3",
            operation: "PutObject",
            code: String::new(),
            message: error.to_string(),
            meaning: Meaning::Invalid,
            sent: Sent::NotSent,
        })?;
        let change = self
            .once
            .put_object()
            .bucket(&request.object.bucket)
            .key(&request.object.key)
            .if_none_match("*")
            .expected_bucket_owner(self.tools.config.account.as_str())
            .content_type("application/json")
            // The checkers are to see what is there now.
            .cache_control("no-store")
            .body(ByteStream::from(content));
        self.tools.calls.call("s3", "PutObject", change.send()).await.map(drop)
    }

    async fn delete(&self, request: &ObjectShift) -> Result<(), CallError> {
        let change = self
            .once
            .delete_object()
            .bucket(&request.object.bucket)
            .key(&request.object.key)
            .expected_bucket_owner(self.tools.config.account.as_str());
        self.tools.calls.call("s3", "DeleteObject", change.send()).await.map(drop)
    }
}
