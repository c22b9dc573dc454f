//! What the preflight says of the object (X4). Pure.

use failover::contract::Finding;

use super::plan::{ObjectShift, Present};
use crate::checks::Reading;

/// Whether the bucket answers in its Region.
#[must_use]
pub fn bucket_reachable(request: &ObjectShift, bucket: &Reading<()>) -> Finding {
    const CHECK: &str = "standby-bucket-reachable";
    let subject = format!("s3://{} in {}", request.object.bucket, request.object.region);
    let create = "create the bucket in the standby Region, or correct its name or Region in the plan";
    bucket.finding(CHECK, &subject, create, |()| Finding::ok(CHECK, &subject, "answers"))
}

/// Whether the object is as it is to be before the traffic moves.
#[must_use]
pub fn object_not_there_yet(request: &ObjectShift, object: &Reading<Option<Present>>) -> Finding {
    const CHECK: &str = "standby-object-as-expected";
    let subject = request.title();
    object.finding(CHECK, &subject, "see whether the bucket is there", |found| {
        let target = &request.common.target_region;
        match (request.wants_it(), found.is_some()) {
            (true, false) => Finding::ok(CHECK, &subject, "is not there, so the primary gets the traffic"),
            (false, true) => Finding::ok(CHECK, &subject, "is there, so its Region gets the traffic"),
            (true, true) => Finding::warning(
                CHECK,
                &subject,
                format!("is there already: clients are being sent to {target}"),
                "see who put it there; delete it when the primary is to have the traffic",
            ),
            (false, false) => Finding::warning(
                CHECK,
                &subject,
                format!("is not there: clients are being sent to {target} already"),
                "see which Region serves before moving back",
            ),
        }
    })
}
