//! Moves traffic to another Region (F6), in the way the recovery plan names (X6).
//!
//! Each way is a step of its own with the one control flow of [`failover::step`]: it observes, decides purely and makes
//! one change. They differ in what of AWS they depend on:
//!
//! - [`records`]: swaps failover records, or gives weighted ones all the weight. Route 53's control plane, in us-east-1.
//! - [`standby_object`]: an object that an inverted health check looks at. S3 in the standby Region.
//! - [`routing_control`]: flips ARC routing controls. One of five Regional endpoints.
//! - [`traffic_dial`]: turns Global Accelerator's traffic dials. Its control plane, in us-west-2.

pub mod checks;
pub mod records;
pub mod request;
pub mod routing_control;
pub mod standby_object;
pub mod traffic_dial;

use std::sync::Arc;
use std::time::Duration;

use failover::config::Variables;
use failover::contract::{self, ShiftRequest, StepResponse, Traffic};
use failover::env::Deadline;
use failover::error::Error;
use failover::region_switch::{self, Event, RegionSwitch};
use failover::runtime::Toolbox;
use failover::step;
use serde_json::Value;

use crate::records::{RecordShift, Records};
use crate::request::Common;
use crate::routing_control::{ControlShift, Controls};
use crate::standby_object::{Object, ObjectShift};
use crate::traffic_dial::{DialShift, Dials};

/// The function's name, in operation ids and traces, whichever way it moves traffic.
const NAME: &str = "shift-dns";

/// The function, ready for invocations.
#[derive(Debug)]
pub struct ShiftDns {
    tools: Toolbox,
    /// `REGION_SWITCH_REQUEST`: for events of Region switch (X9).
    region_switch: Option<RegionSwitch>,
}

impl ShiftDns {
    /// Puts it together. Clients are built when it is known for which service.
    ///
    /// # Errors
    /// [`Error::Config`] that names `REGION_SWITCH_REQUEST`.
    pub fn new(tools: Toolbox, variables: &impl Variables) -> Result<Self, Error> {
        Ok(Self { tools, region_switch: RegionSwitch::read(variables)? })
    }
}

/// Answers one invocation.
///
/// # Errors
/// See [`Error`].
pub async fn handle(step: Arc<ShiftDns>, request: Value, deadline: Deadline) -> Result<StepResponse, Error> {
    if let Some(event) = Event::of(&request)? {
        let request = RegionSwitch::needed(step.region_switch.as_ref())?.shift(&event)?;
        return region_switch::finished(shift(&step.tools, request, deadline).await?);
    }
    shift(&step.tools, contract::parse(request)?, deadline).await
}

async fn shift(tools: &Toolbox, request: ShiftRequest, deadline: Deadline) -> Result<StepResponse, Error> {
    let ShiftRequest { run, target_region, traffic } = request;
    contract::check_traffic("traffic", &traffic)?;
    let common = Common {
        run,
        target_region: target_region.unwrap_or_else(|| tools.config.dr_region.clone()),
        resource: traffic.key(),
        depends_on: traffic.control_planes(),
    };
    match &traffic {
        Traffic::FailoverRecords(zone) => {
            step::run(&Records::new(tools), tools, RecordShift::failover(common, zone)?, deadline).await
        }
        Traffic::WeightedRecords(zone) => {
            step::run(&Records::new(tools), tools, RecordShift::weighted(common, zone)?, deadline).await
        }
        Traffic::StandbyObject(object) => {
            let request = ObjectShift::new(common, object);
            step::run(&Object::new(tools, object), tools, request, deadline).await
        }
        Traffic::RoutingControl(controls) => {
            let request = ControlShift::new(common, controls)?;
            step::run(&Controls::new(tools, controls), tools, request, deadline).await
        }
        Traffic::TrafficDial(dials) => {
            step::run(&Dials::new(tools), tools, DialShift::new(common, dials)?, deadline).await
        }
    }
}

/// Rounded up: waits cross the wire in seconds, and asking early would only mean asking again.
pub(crate) fn whole_seconds(duration: Duration) -> Duration {
    Duration::from_secs(duration.as_secs() + u64::from(duration.subsec_nanos() > 0))
}
