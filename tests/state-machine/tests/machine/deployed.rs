//! The deployed definition, driven through scripted tasks to its documented ends.

use crate::script::{Script, answered, deployed, drive};
use serde_json::json;
use state_machine::End;

#[tokio::test(start_paused = true)]
async fn a_run_that_stands_down_tells_people_and_ends_with_the_decision() {
    let decision =
        json!({"decision": "stand_down", "history": [], "run": null, "notification": {"subject": "s", "message": "m"}});
    let script = Script::new().on("Decide", answered(&decision));
    let (end, states) = drive(&deployed(), &script).await;
    assert_eq!(end, End::Succeeded { output: decision });
    assert_eq!(states, ["Begin", "LoadPlan", "Decide", "Decided", "NotifyStandDown", "StoodDown"]);
}
