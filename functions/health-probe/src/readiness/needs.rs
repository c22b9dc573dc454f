//! What each function's role has to permit for a run: one table, and the resources that one run means by it. Pure.

use std::collections::{BTreeMap, BTreeSet};

use failover::contract::{
    Capacity, ClusterArn, FailoverRecord, FailoverRecords, PromotionMode, Region, RunPlan, ScaleRequest,
    ServiceSelection, ShiftRequest, StepRequest, Traffic, TrafficDials, WeightedRecords, normal_dns_name,
};
use failover::recovery_plan::RecoveryPlan;

/// An action that a function's role has to permit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Need {
    /// The function.
    pub function: &'static str,
    /// The action, as IAM names it.
    pub action: &'static str,
    on: On,
    pub(super) without: Without,
}

/// What a run is without the permission.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Without {
    /// It fails.
    Fails,
    /// It goes on, and knows or tells less.
    KnowsLess,
}

/// On what an action is permitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum On {
    /// The action has no resource-level permission.
    Anything,
    /// The ledger's table.
    Ledger,
    GlobalClusters,
    /// The plan's clusters in both Regions of the run.
    Clusters,
    /// The target's instances: they are asked for by cluster, and come and go under names of their own.
    Instances,
    /// Global cluster and target of the promotions of this mode. A switchover is asked for in any case: it is how a
    /// plan moves back (F14).
    Promotions(PromotionMode),
    /// Clusters whose security groups are changed: those isolated, and those promoted with groups of their own.
    SecurityGroups,
    /// The clusters whose services are listed, as a condition: the action itself has no resource-level permission.
    ListedEcsClusters,
    /// The services that are looked at: also the source's, where the capacity depends on it.
    SeenServices,
    /// The services that are scaled.
    ScaledServices,
    ScalableTargets,
    Zones,
    /// The zones, with the names, types and actions of the changes.
    RecordChanges,
    /// Of which a change's id is known only afterwards.
    Route53Changes,
    /// What Route 53 answers, which has no resource-level permission.
    Answers,
    HealthChecks,
    Buckets,
    Objects,
    RoutingControls,
    EndpointGroups,
    Accelerators,
    StateMachine,
    Topic,
}

const fn need(function: &'static str, action: &'static str, on: On) -> Need {
    Need { function, action, on, without: Without::Fails }
}

/// For what a run does not depend on.
const fn wish(function: &'static str, action: &'static str, on: On) -> Need {
    Need { function, action, on, without: Without::KnowsLess }
}

const PROMOTE: &str = "promote-aurora";
const SCALE: &str = "scale-ecs";
const SHIFT: &str = "shift-dns";
const PROBE: &str = "health-probe";

/// Every action that a run may need; what functions do for a preflight of its own shows there by itself.
pub const NEEDS: [Need; 44] = [
    need(PROMOTE, "dynamodb:GetItem", On::Ledger),
    need(PROMOTE, "dynamodb:UpdateItem", On::Ledger),
    need(PROMOTE, "rds:DescribeGlobalClusters", On::GlobalClusters),
    need(PROMOTE, "rds:DescribeDBClusters", On::Clusters),
    need(PROMOTE, "rds:DescribeDBInstances", On::Instances),
    need(PROMOTE, "rds:SwitchoverGlobalCluster", On::Promotions(PromotionMode::Switchover)),
    need(PROMOTE, "rds:FailoverGlobalCluster", On::Promotions(PromotionMode::Failover)),
    need(PROMOTE, "rds:RemoveFromGlobalCluster", On::Promotions(PromotionMode::Detach)),
    need(PROMOTE, "rds:ModifyDBCluster", On::SecurityGroups),
    wish(PROMOTE, "rds:DescribeEvents", On::Anything),
    wish(PROMOTE, "cloudwatch:GetMetricData", On::Anything),
    need(SCALE, "dynamodb:GetItem", On::Ledger),
    need(SCALE, "dynamodb:UpdateItem", On::Ledger),
    need(SCALE, "ecs:ListServices", On::ListedEcsClusters),
    need(SCALE, "ecs:DescribeServices", On::SeenServices),
    need(SCALE, "ecs:UpdateService", On::ScaledServices),
    need(SCALE, "application-autoscaling:DescribeScalableTargets", On::Anything),
    need(SCALE, "application-autoscaling:RegisterScalableTarget", On::ScalableTargets),
    wish(SCALE, "ecs:DescribeTaskDefinition", On::Anything),
    wish(SCALE, "servicequotas:GetServiceQuota", On::Anything),
    need(SHIFT, "dynamodb:GetItem", On::Ledger),
    need(SHIFT, "dynamodb:UpdateItem", On::Ledger),
    need(SHIFT, "route53:ListResourceRecordSets", On::Zones),
    need(SHIFT, "route53:ChangeResourceRecordSets", On::RecordChanges),
    need(SHIFT, "route53:GetChange", On::Route53Changes),
    wish(SHIFT, "route53:TestDNSAnswer", On::Answers),
    wish(SHIFT, "route53:GetHealthCheck", On::HealthChecks),
    need(SHIFT, "s3:ListBucket", On::Buckets),
    need(SHIFT, "s3:GetObject", On::Objects),
    need(SHIFT, "s3:PutObject", On::Objects),
    need(SHIFT, "s3:DeleteObject", On::Objects),
    need(SHIFT, "route53-recovery-cluster:GetRoutingControlState", On::RoutingControls),
    need(SHIFT, "route53-recovery-cluster:UpdateRoutingControlStates", On::RoutingControls),
    need(SHIFT, "globalaccelerator:DescribeAccelerator", On::Accelerators),
    need(SHIFT, "globalaccelerator:DescribeEndpointGroup", On::EndpointGroups),
    need(SHIFT, "globalaccelerator:UpdateEndpointGroup", On::EndpointGroups),
    need(PROBE, "dynamodb:GetItem", On::Ledger),
    need(PROBE, "dynamodb:UpdateItem", On::Ledger),
    need(PROBE, "states:StartExecution", On::StateMachine),
    wish(PROBE, "sns:Publish", On::Topic),
    wish(PROBE, "cloudwatch:DescribeAlarms", On::Anything),
    wish(PROBE, "cloudwatch:GetMetricData", On::Anything),
    wish(PROBE, "rds:DescribeGlobalClusters", On::GlobalClusters),
    wish(PROBE, "rds:DescribeDBClusters", On::Clusters),
];

/// Values of condition keys that a request would have, by key.
pub(super) type Context = BTreeMap<&'static str, Value>;

/// A condition key's value.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Value {
    Text(String),
    /// A key that has several values at once.
    Texts(Vec<String>),
}

/// One question to IAM: is the action permitted on each of these?
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Question {
    pub(super) need: Need,
    pub(super) resources: BTreeSet<String>,
    pub(super) context: Context,
}

/// The run, and what its ARNs are made of.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place<'a> {
    pub(super) plan: &'a RecoveryPlan,
    pub(super) run: &'a RunPlan,
    /// `aws`, `aws-cn` or another.
    pub(super) partition: &'a str,
    pub(super) account: &'a str,
    /// The orchestrator's Region.
    pub(super) region: &'a Region,
    pub(super) table: &'a str,
    pub(super) state_machine_arn: &'a str,
    pub(super) topic_arn: &'a str,
}

impl Place<'_> {
    /// What has to be asked for this run. Nothing of a function that the run does not use.
    pub(super) fn questions(&self) -> Vec<Question> {
        let used = self.functions();
        let needs = NEEDS.into_iter().filter(|need| used.contains(need.function));
        let mut questions: Vec<Question> = needs
            .flat_map(|need| {
                let on = self.resources(need.on).into_iter();
                on.map(move |(resources, context)| Question { need, resources, context })
            })
            .filter(|question| !question.resources.is_empty())
            .collect();
        // A key that any statement of a role asks for counts as missing in every answer; so all questions to a role have
        // a value for each key that one of them has.
        let mut known: BTreeMap<&str, Context> = BTreeMap::new();
        for question in &questions {
            known.entry(question.need.function).or_default().extend(question.context.clone());
        }
        for question in &mut questions {
            let others = known.get(question.need.function).cloned().unwrap_or_default();
            let own = std::mem::replace(&mut question.context, others);
            question.context.extend(own);
        }
        questions
    }

    fn functions(&self) -> BTreeSet<&'static str> {
        let fences = self.run.fences.iter().map(|fence| match &fence.request {
            StepRequest::Isolate(_) | StepRequest::Promote(_) => PROMOTE,
            StepRequest::Scale(_) => SCALE,
            StepRequest::Shift(_) => SHIFT,
        });
        let steps = self.run.promotions().map(|_| PROMOTE).chain(self.run.scalings().map(|_| SCALE));
        fences.chain(steps).chain(self.run.shifts.iter().map(|_| SHIFT)).chain([PROBE]).collect()
    }

    /// Resources that are asked for in one question, with the condition keys they need; mostly one set without any.
    fn resources(&self, on: On) -> Vec<(BTreeSet<String>, Context)> {
        let found: BTreeSet<String> = match on {
            On::ListedEcsClusters => return self.listed_clusters(),
            On::RecordChanges => return self.record_changes(),
            On::ScalableTargets => return self.scalable_targets(),
            On::Anything => ["*".to_owned()].into(),
            On::Ledger => [self.arn("dynamodb", self.region.as_str(), &format!("table/{}", self.table))].into(),
            On::StateMachine => [self.state_machine_arn.to_owned()].into(),
            On::Topic => [self.topic_arn.to_owned()].into(),
            On::GlobalClusters => {
                let ids = self.plan.aurora.iter().map(|aurora| aurora.global_cluster_id.as_str());
                ids.map(|id| self.global_cluster(id)).collect()
            }
            On::Clusters => {
                let both = [&self.run.source_region, &self.run.target_region];
                let clusters =
                    self.plan.aurora.iter().flat_map(|aurora| both.map(|region| aurora.clusters.get(region)));
                clusters.flatten().map(ToString::to_string).collect()
            }
            On::Instances => {
                let regions = self.run.promotions().filter_map(|request| request.target_cluster_arn.as_ref());
                regions.map(|target| self.arn("rds", target.region().as_str(), "db:*")).collect()
            }
            On::Promotions(mode) => self.promotions(mode),
            On::SecurityGroups => self.security_groups(),
            On::SeenServices => self.services(self.seen_clusters()),
            On::ScaledServices => self.services(self.scaled().map(Services::of)),
            On::Zones => self.zones().map(|(zone, _)| self.zone(zone)).collect(),
            On::Route53Changes => self.zones().map(|_| self.global("route53", "change/*")).collect(),
            On::Answers => self.zones().map(|_| "*".to_owned()).collect(),
            On::HealthChecks => self.zones().map(|_| self.global("route53", "healthcheck/*")).collect(),
            On::Buckets => self.objects().map(|(bucket, _)| self.global("s3", bucket)).collect(),
            On::Objects => self.objects().map(|(bucket, key)| self.global("s3", &format!("{bucket}/{key}"))).collect(),
            On::RoutingControls => self.routing_controls().collect(),
            On::EndpointGroups => self.dials().flat_map(|dials| dials.endpoint_groups.values().cloned()).collect(),
            On::Accelerators => self.dials().filter_map(|dials| dials.accelerator().ok()).map(str::to_owned).collect(),
        };
        vec![(found, Context::new())]
    }

    fn promotions(&self, mode: PromotionMode) -> BTreeSet<String> {
        let switchover = mode == PromotionMode::Switchover;
        let requests = self.run.promotions().filter(|request| switchover || request.mode == mode);
        requests
            .flat_map(|request| {
                let global = request.global_cluster_id.as_ref().map(|id| self.global_cluster(id.as_str()));
                global.into_iter().chain(request.target_cluster_arn.as_ref().map(ToString::to_string))
            })
            .collect()
    }

    fn security_groups(&self) -> BTreeSet<String> {
        let isolated = self.run.fences.iter().filter_map(|fence| match &fence.request {
            StepRequest::Isolate(request) => Some(&request.isolate.cluster_arn),
            StepRequest::Promote(_) | StepRequest::Scale(_) | StepRequest::Shift(_) => None,
        });
        let opened = self.run.promotions().filter(|request| request.security_group_ids.is_some());
        let opened = opened.filter_map(|request| request.target_cluster_arn.as_ref());
        isolated.chain(opened).map(ClusterArn::to_string).collect()
    }

    /// Fences and scalings.
    fn scaled(&self) -> impl Iterator<Item = &ScaleRequest> {
        let fences = self.run.fences.iter().filter_map(|fence| match &fence.request {
            StepRequest::Scale(request) => Some(request),
            StepRequest::Isolate(_) | StepRequest::Promote(_) | StepRequest::Shift(_) => None,
        });
        fences.chain(self.run.scalings())
    }

    /// What is scaled, and what its capacity depends on.
    fn seen_clusters(&self) -> impl Iterator<Item = Services<'_>> {
        self.scaled().flat_map(|request| {
            let source = match &request.capacity {
                Capacity::PercentOfSource { source_region, source_cluster, .. } => Some(Services {
                    region: Some(source_region),
                    cluster: source_cluster,
                    selection: &request.services,
                }),
                Capacity::Desired(_) | Capacity::Fenced => None,
            };
            [Services::of(request)].into_iter().chain(source)
        })
    }

    fn services<'b>(&self, clusters: impl Iterator<Item = Services<'b>>) -> BTreeSet<String> {
        let of_cluster = |services: Services<'b>| {
            let region = services.region.unwrap_or(self.region).as_str();
            let arn = |name: &str| self.arn("ecs", region, &format!("service/{}/{name}", services.cluster));
            match services.selection {
                ServiceSelection::All => vec![arn("*")],
                ServiceSelection::Named(names) => names.iter().map(|name| arn(name)).collect(),
            }
        };
        clusters.flat_map(of_cluster).collect()
    }

    /// One question for each cluster whose services are not named.
    fn listed_clusters(&self) -> Vec<(BTreeSet<String>, Context)> {
        let every = self.seen_clusters().filter(|services| *services.selection == ServiceSelection::All);
        let arns: BTreeSet<String> = every
            .map(|services| {
                let region = services.region.unwrap_or(self.region).as_str();
                self.arn("ecs", region, &format!("cluster/{}", services.cluster))
            })
            .collect();
        arns.into_iter().map(|arn| (["*".to_owned()].into(), [("ecs:cluster", Value::Text(arn))].into())).collect()
    }

    /// Source: <https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsapplicationautoscaling.html>
    fn scalable_targets(&self) -> Vec<(BTreeSet<String>, Context)> {
        let regions = self.scaled().map(|request| request.target_region.as_ref().unwrap_or(self.region));
        let targets =
            regions.map(|region| self.arn("application-autoscaling", region.as_str(), "scalable-target/*")).collect();
        let text = |text: &str| Value::Text(text.to_owned());
        let context = [
            ("application-autoscaling:service-namespace", text("ecs")),
            ("application-autoscaling:scalable-dimension", text("ecs:service:DesiredCount")),
        ];
        vec![(targets, context.into())]
    }

    /// One question for each zone: all of its changes are one batch.
    /// Source: <https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/specifying-conditions-route53.html>
    fn record_changes(&self) -> Vec<(BTreeSet<String>, Context)> {
        let of_zone = |(zone, records): (&str, &[FailoverRecord])| {
            let names: BTreeSet<String> = records.iter().map(|record| iam_name(&record.name)).collect();
            let types: BTreeSet<&str> = records.iter().map(|record| record.record_type.as_str()).collect();
            let texts = |texts: Vec<&str>| Value::Texts(texts.into_iter().map(str::to_owned).collect());
            let context = [
                ("route53:ChangeResourceRecordSetsNormalizedRecordNames", Value::Texts(names.into_iter().collect())),
                ("route53:ChangeResourceRecordSetsRecordTypes", texts(types.into_iter().collect())),
                ("route53:ChangeResourceRecordSetsActions", texts(vec!["DELETE", "CREATE"])),
            ];
            ([self.zone(zone)].into(), context.into())
        };
        self.zones().map(of_zone).collect()
    }

    fn zones(&self) -> impl Iterator<Item = (&str, &[FailoverRecord])> {
        self.run.shifts.iter().filter_map(|ShiftRequest { traffic, .. }| match traffic {
            Traffic::FailoverRecords(FailoverRecords { hosted_zone_id, records })
            | Traffic::WeightedRecords(WeightedRecords { hosted_zone_id, records, .. }) => {
                Some((hosted_zone_id.as_str(), records.as_slice()))
            }
            Traffic::StandbyObject(_) | Traffic::RoutingControl(_) | Traffic::TrafficDial(_) => None,
        })
    }

    /// Buckets and keys.
    fn objects(&self) -> impl Iterator<Item = (&str, &str)> {
        self.run.shifts.iter().filter_map(|ShiftRequest { traffic, .. }| match traffic {
            Traffic::StandbyObject(object) => Some((object.bucket.as_str(), object.key.as_str())),
            Traffic::FailoverRecords(_)
            | Traffic::WeightedRecords(_)
            | Traffic::RoutingControl(_)
            | Traffic::TrafficDial(_) => None,
        })
    }

    fn routing_controls(&self) -> impl Iterator<Item = String> {
        let controls = self.run.shifts.iter().filter_map(|ShiftRequest { traffic, .. }| match traffic {
            Traffic::RoutingControl(controls) => Some(controls.controls.values().cloned()),
            Traffic::FailoverRecords(_)
            | Traffic::WeightedRecords(_)
            | Traffic::StandbyObject(_)
            | Traffic::TrafficDial(_) => None,
        });
        controls.flatten()
    }

    fn dials(&self) -> impl Iterator<Item = &TrafficDials> {
        self.run.shifts.iter().filter_map(|ShiftRequest { traffic, .. }| match traffic {
            Traffic::TrafficDial(dials) => Some(dials),
            Traffic::FailoverRecords(_)
            | Traffic::WeightedRecords(_)
            | Traffic::StandbyObject(_)
            | Traffic::RoutingControl(_) => None,
        })
    }

    fn zone(&self, id: &str) -> String {
        self.global("route53", &format!("hostedzone/{}", id.strip_prefix("/hostedzone/").unwrap_or(id)))
    }

    fn global_cluster(&self, id: &str) -> String {
        self.arn("rds", "", &format!("global-cluster:{id}"))
    }

    fn arn(&self, service: &str, region: &str, resource: &str) -> String {
        format!("arn:{}:{service}:{region}:{}:{resource}", self.partition, self.account)
    }

    /// Of services whose names are unique in all accounts.
    fn global(&self, service: &str, resource: &str) -> String {
        format!("arn:{}:{service}:::{resource}", self.partition)
    }
}

/// Services of one cluster.
struct Services<'a> {
    region: Option<&'a Region>,
    cluster: &'a str,
    selection: &'a ServiceSelection,
}

impl<'a> Services<'a> {
    fn of(request: &'a ScaleRequest) -> Self {
        Self { region: request.target_region.as_ref(), cluster: &request.cluster, selection: &request.services }
    }
}

/// As IAM compares record names: in lower case, without the final dot.
fn iam_name(name: &str) -> String {
    let normal = normal_dns_name(name).unwrap_or_else(|_| name.to_ascii_lowercase());
    normal.strip_suffix('.').map(str::to_owned).unwrap_or(normal)
}

#[cfg(test)]
mod tests {
    use failover::contract::Trigger;
    use serde_json::json;

    use super::*;
    use crate::readiness::tests::{plan, run};

    /// What is asked of a plan: function, action and resources, in the order of the table.
    fn asked(plan: &RecoveryPlan) -> Vec<Question> {
        let region = Region::parse("eu-west-1").expect("a Region");
        let preflight = Trigger::Preflight(failover::contract::PreflightRequest::default());
        let run = run(plan, preflight);
        let place = Place {
            plan,
            run: &run,
            partition: "aws",
            account: "123456789012",
            region: &region,
            table: "failover-state-test",
            state_machine_arn: "arn:aws:states:eu-west-1:123456789012:stateMachine:failover",
            topic_arn: "arn:aws:sns:eu-west-1:123456789012:people",
        };
        place.questions()
    }

    fn resources(questions: &[Question], action: &str) -> Vec<String> {
        let of_action = questions.iter().filter(|question| question.need.action == action);
        of_action.flat_map(|question| question.resources.iter().cloned()).collect()
    }

    #[test]
    fn a_run_asks_for_its_own_resources_by_their_arns() {
        let questions = asked(&plan());
        let primary = "arn:aws:rds:eu-central-1:123456789012:cluster:trading-primary";
        let standby = "arn:aws:rds:eu-west-1:123456789012:cluster:trading-dr";
        let global = "arn:aws:rds::123456789012:global-cluster:trading";
        let service = |name: &str| format!("arn:aws:ecs:eu-west-1:123456789012:service/trading-dr/{name}");
        for (action, expected) in [
            ("rds:FailoverGlobalCluster", vec![global, standby]),
            ("rds:SwitchoverGlobalCluster", vec![global, standby]),
            ("rds:RemoveFromGlobalCluster", vec![]),
            ("rds:ModifyDBCluster", vec![]),
            ("rds:DescribeDBInstances", vec!["arn:aws:rds:eu-west-1:123456789012:db:*"]),
            ("route53:GetChange", vec!["arn:aws:route53:::change/*"]),
            ("ecs:ListServices", vec![]),
            ("s3:PutObject", vec![]),
            ("states:StartExecution", vec!["arn:aws:states:eu-west-1:123456789012:stateMachine:failover"]),
        ] {
            assert_eq!(resources(&questions, action), expected, "{action}");
        }
        // Both functions that read the clusters.
        assert_eq!(resources(&questions, "rds:DescribeDBClusters"), [primary, standby, primary, standby]);
        let scaled = resources(&questions, "ecs:UpdateService");
        assert!(scaled.contains(&service("web")) && scaled.contains(&service("worker")), "{scaled:?}");
        assert!(scaled.iter().any(|arn| arn.contains(":eu-central-1:")), "the fence scales there: {scaled:?}");
        let ledger = "arn:aws:dynamodb:eu-west-1:123456789012:table/failover-state-test";
        assert_eq!(resources(&questions, "dynamodb:UpdateItem"), [ledger; 4], "each of the four functions");
    }

    #[test]
    fn every_service_of_a_cluster_is_asked_for_by_the_cluster() {
        let mut plan = plan();
        plan.ecs[0].services = ServiceSelection::All;
        let questions = asked(&plan);
        let listed: Vec<&Question> =
            questions.iter().filter(|question| question.need.action == "ecs:ListServices").collect();
        let clusters: Vec<&Value> = listed.iter().map(|question| &question.context["ecs:cluster"]).collect();
        let cluster = |arn: &str| Value::Text(arn.to_owned());
        let both = [
            &cluster("arn:aws:ecs:eu-central-1:123456789012:cluster/trading"),
            &cluster("arn:aws:ecs:eu-west-1:123456789012:cluster/trading-dr"),
        ];
        assert_eq!(clusters, both);
        let every = "arn:aws:ecs:eu-west-1:123456789012:service/trading-dr/*".to_owned();
        assert!(resources(&questions, "ecs:UpdateService").contains(&every));
    }

    #[test]
    fn a_zone_is_asked_for_with_the_changes_it_would_get() {
        let questions = asked(&plan());
        let change = questions.iter().find(|question| question.need.action == "route53:ChangeResourceRecordSets");
        let context = &change.expect("records are moved").context;
        let texts = |texts: &[&str]| Value::Texts(texts.iter().map(|text| (*text).to_owned()).collect());
        assert_eq!(context["route53:ChangeResourceRecordSetsActions"], texts(&["DELETE", "CREATE"]));
        assert_eq!(context["route53:ChangeResourceRecordSetsNormalizedRecordNames"], texts(&["app.example.com"]));
        let list = questions.iter().find(|question| question.need.action == "route53:ListResourceRecordSets");
        assert_eq!(&list.expect("listed").context, context, "a role's answers miss no key that one of its actions has");
    }

    #[test]
    fn a_function_that_the_run_does_not_use_is_not_asked_about() {
        let mut plan = plan();
        plan.ecs.clear();
        plan.aurora.clear();
        let functions: BTreeSet<&str> = asked(&plan).iter().map(|question| question.need.function).collect();
        assert_eq!(functions, [PROBE, SHIFT].into());
    }

    #[test]
    fn each_way_to_move_traffic_and_to_close_a_database_has_its_own_resources() {
        let mut plan = plan();
        let group = |name: &str| {
            format!("arn:aws:globalaccelerator::123456789012:accelerator/a1/listener/l1/endpoint-group/{name}")
        };
        plan.traffic = [
            json!({ "standby_object": {
                "region": "eu-west-1", "bucket": "switch", "key": "standby/on", "notice_seconds": 30
            } }),
            json!({ "traffic_dial": { "endpoint_groups": { "eu-central-1": group("g1"), "eu-west-1": group("g2") } } }),
            json!({ "routing_control": { "cluster_endpoints": {}, "controls": { "eu-west-1": "c2" } } }),
        ]
        .map(|traffic| serde_json::from_value(traffic).expect("a strategy"))
        .into();
        let sg = |group: &str| vec![group.to_owned()];
        for region in ["eu-central-1", "eu-west-1"] {
            let groups = failover::recovery_plan::SecurityGroups { serving: sg("sg-1"), isolated: sg("sg-0") };
            plan.aurora[0].security_groups.insert(Region::parse(region).expect("a Region"), groups);
        }
        plan.aurora[0].unplanned_mode = PromotionMode::Detach;
        let questions = asked(&plan);
        for (action, count, one) in [
            ("s3:PutObject", 1, "arn:aws:s3:::switch/standby/on".to_owned()),
            ("s3:ListBucket", 1, "arn:aws:s3:::switch".to_owned()),
            ("globalaccelerator:UpdateEndpointGroup", 2, group("g2")),
            (
                "globalaccelerator:DescribeAccelerator",
                1,
                "arn:aws:globalaccelerator::123456789012:accelerator/a1".to_owned(),
            ),
            ("route53-recovery-cluster:UpdateRoutingControlStates", 1, "c2".to_owned()),
            ("rds:ModifyDBCluster", 2, "arn:aws:rds:eu-central-1:123456789012:cluster:trading-primary".to_owned()),
            ("rds:RemoveFromGlobalCluster", 2, "arn:aws:rds::123456789012:global-cluster:trading".to_owned()),
        ] {
            let found = resources(&questions, action);
            assert!(found.len() == count && found.contains(&one), "{action}: {found:?}");
        }
        assert!(resources(&questions, "route53:TestDNSAnswer").is_empty(), "no records are moved");
    }
}
