//! The client that the commands use.

use std::collections::BTreeMap;
use std::time::Duration;

use admin::{
    Basis, ClientError, Deploy, DeployAction, History, InstanceState, Kind, NewBan, NewJobRun,
    Refusal, ReloadOutcome, ReloadRequest, Scale,
};

use crate::backend::{Scripted, WRITTEN, alice, ban, failed};
use crate::description::wrong_configuration;
use crate::{question, serve};

#[tokio::test]
async fn a_client_gets_what_the_backend_says() {
    let (_dir, server, client) = serve(Scripted::default());
    assert_eq!(client.version().await.unwrap().pid, std::process::id());
    assert_eq!(client.status().await.unwrap().generation, 9);
    assert_eq!(client.reload().await.unwrap().services.added, ["chat"]);
    let how = ReloadRequest { watch: Some(Duration::from_secs(60)), ..ReloadRequest::default() };
    assert_eq!(client.reload_as(&how).await.unwrap().watch_s, Some(60.0));
    let outcome = client.reload_watch(4).await.unwrap().outcome;
    assert_eq!(outcome, Some(ReloadOutcome::RolledBack));
    let drained = client.drain("api", "[::1]:80").await.unwrap();
    assert_eq!((drained.name.as_str(), drained.state), ("[::1]:80", InstanceState::Drained));
    assert_eq!(client.enable("api", "a").await.unwrap().state, InstanceState::Healthy);
    assert_eq!(client.bans().await.unwrap().bans, [ban(alice())]);
    let new = NewBan { banned: alice(), for_s: 60, reason: None };
    assert_eq!(client.ban(&new).await.unwrap(), ban(alice()));
    assert_eq!(client.unban(&alice()).await.unwrap().lifted, alice());
    assert_eq!(client.explain(&question()).await.unwrap().basis, Basis::Running);
    let wanted = Deploy { version: Some("1.4.2".to_owned()), ..Deploy::default() };
    assert_eq!(client.deploy("api", &wanted).await.unwrap().id, 7);
    let scaled = client.scale("api", &Scale { replicas: 4 }).await.unwrap();
    assert_eq!((scaled.replicas, scaled.after_deploy), (4, Some(7)));
    let surroundings = client.surroundings("api").await.unwrap();
    assert_eq!(surroundings.process.as_ref().unwrap().environment["DB_URL"], "postgres://");
    assert!(!format!("{surroundings:?}").contains("postgres"));
    assert_eq!(client.jobs().await.unwrap().jobs[0].name, "crawl");
    assert_eq!(client.job("crawl").await.unwrap().runs[0].exit_code, Some(3));
    let run = NewJobRun { who: "ops".to_owned() };
    assert_eq!(client.run_job("crawl", &run).await.unwrap().run, 7);
    let output = client.job_output("crawl", 7, 5).await.unwrap();
    assert_eq!((output.from, output.lines), (5, vec![WRITTEN.to_owned()]));
    assert_eq!(client.deploy_action("api", DeployAction::Abort).await.unwrap().id, Some(7));
    let events = client.deploy_events(7, 3).await.unwrap();
    assert_eq!(events.lines[0].text, "deploy 7 from line 3");
    assert_eq!(client.history("api").await.unwrap(), History::default());
    let lines = client.show_deploy("api", 7).await.unwrap().receipt.unwrap().lines;
    assert_eq!(lines[1].finding.as_ref().unwrap().requests[0].id, "0123456789abcdef");
    let set = BTreeMap::from([("max_error_rate".to_owned(), "5% & more".to_owned())]);
    let judged = client.judge("api", 7, &set).await.unwrap();
    assert_eq!((judged.set, judged.with_set.verdict.as_str()), (set, "otherwise"));
    assert_eq!(client.metrics().await.unwrap(), "up 1\n");
    server.stop().await;
    assert!(matches!(client.version().await, Err(ClientError::NotRunning { .. })));
}

#[tokio::test]
async fn an_unknown_instance_comes_with_names_like_it() {
    let near = vec!["api-3".to_owned()];
    let (service, instance) = ("api".to_owned(), "api3".to_owned());
    let refusal = Refusal::UnknownInstance { service, instance, near: near.clone() };
    let (_dir, _server, client) = serve(Scripted::refusing(refusal));
    let Err(ClientError::Problem(problem)) = client.drain("api", "api3").await else { panic!() };
    assert_eq!((problem.kind, problem.status), (Kind::UnknownInstance, 404));
    assert_eq!(problem.detail, "service `api` has no instance `api3`");
    assert_eq!(problem.near, near);
}

#[tokio::test]
async fn an_invalid_configuration_comes_with_its_diagnostics() {
    let diagnostics = wrong_configuration();
    let (_dir, _server, client) = serve(Scripted::refusing(Refusal::Invalid(diagnostics.clone())));
    let Err(ClientError::Problem(problem)) = client.reload().await else { panic!() };
    assert_eq!((problem.kind, problem.status), (Kind::InvalidConfiguration, 422));
    assert_eq!(problem.diagnostics, admin::diagnostics(&diagnostics));
    assert_eq!(problem.drawing.as_deref(), Some(diagnostics.to_string().as_str()));
}

#[test]
fn a_receipt_that_an_earlier_version_has_written_is_read() {
    let mut written = serde_json::to_value(failed().receipt).unwrap();
    let fields = written.as_object_mut().unwrap();
    for (earlier, now) in [("former", "previous"), ("fresh", "release")] {
        let value = fields.remove(now).unwrap();
        fields.insert(earlier.to_owned(), value);
    }
    assert_eq!(serde_json::from_value::<admin::Receipt>(written).ok(), failed().receipt);
}
