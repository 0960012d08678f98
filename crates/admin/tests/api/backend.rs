//! A backend that does what it is told, and what it tells of.

use std::collections::BTreeMap;

use admin::{
    Access, Acted, Asked, Backend, Ban, BanKey, Bans, Basis, Certificate, CertificateTrouble,
    Certificates, Changes, Deploy, DeployAction, DeployEvents, Deploying, Descriptors, Explanation,
    History, Instance, InstanceState, InternalCa, Job, JobOutput, JobRun, JobStarted, Jobs, Judged,
    Judgement, Lifted, Line, NewBan, NewJobRun, Outcome, Past, ProcessPlace, Question, Refusal,
    ReloadOutcome, ReloadRequest, ReloadWatch, Reloaded, Scale, Scaled, Scrape, Status,
    Surroundings, Totals,
};
use telemetry::event;

/// Does what it is told, or refuses everything.
#[derive(Clone)]
pub(crate) struct Scripted {
    pub(crate) refuses: Option<Refusal>,
    /// Its instances write what nobody else is to see.
    pub(crate) writes: bool,
    pub(crate) events: telemetry::Events,
}

impl Default for Scripted {
    /// What happens is one event, and no more.
    fn default() -> Self {
        let events = telemetry::Events::default();
        let end = events.close_on_drop();
        events.emit(event::ServiceDown { service: "api".into() });
        drop(end);
        Self { refuses: None, writes: false, events }
    }
}

impl Scripted {
    pub(crate) fn refusing(refusal: Refusal) -> Self {
        Self { refuses: Some(refusal), ..Self::default() }
    }

    fn say<T>(&self, said: T) -> Result<T, Refusal> {
        self.refuses.clone().map_or(Ok(said), Err)
    }
}

impl Backend for Scripted {
    async fn status(&self) -> Result<Status, Refusal> {
        self.say(Status {
            version: "0.0.0".to_owned(),
            pid: 1,
            file: "/etc/plimsoll/plimsoll.toml".to_owned(),
            revision: 3,
            generation: 9,
            uptime_s: 1.5,
            connections: 0,
            descriptors: Descriptors::default(),
            last_reload: None,
            store: None,
            watched: None,
            rolled_back: None,
            listeners: Vec::new(),
            issuers: Vec::new(),
            auth_servers: Vec::new(),
            admin_certificate_fault: None,
            certificates: Vec::new(),
            services: Vec::new(),
        })
    }

    async fn reload(&self, how: ReloadRequest) -> Result<Reloaded, Refusal> {
        let added = vec!["chat".to_owned()];
        self.say(Reloaded {
            revision: 4,
            listeners: Changes::default(),
            services: Changes { added, ..Changes::default() },
            jobs: Changes::default(),
            auth: Changes::default(),
            limits: Changes::default(),
            abuse: Changes::default(),
            routes_changed: true,
            acme_changed: false,
            store_changed: false,
            secrets_changed: false,
            admin_changed: false,
            needs_restart: Vec::new(),
            needs_deploy: Vec::new(),
            watch_s: how.watch.map(|length| length.as_secs_f64()),
        })
    }

    async fn reload_watch(&self, revision: u64) -> Result<ReloadWatch, Refusal> {
        self.say(ReloadWatch {
            revision,
            length_s: 60.0,
            left_s: 0.0,
            requests: 9,
            failed: 9,
            client_errors: 0,
            outcome: Some(ReloadOutcome::RolledBack),
            text: Some("rolled back".to_owned()),
        })
    }

    async fn drain(&self, _: &str, instance: &str) -> Result<Instance, Refusal> {
        self.say(stands(instance, InstanceState::Drained))
    }

    async fn enable(&self, _: &str, instance: &str) -> Result<Instance, Refusal> {
        self.say(stands(instance, InstanceState::Healthy))
    }

    async fn certificates(&self) -> Result<Certificates, Refusal> {
        self.say(Certificates {
            certificates: vec![Certificate {
                hosts: vec!["shop.example.com".into()],
                file: None,
                issuer: Some("Example CA".into()),
                key: Some("ECDSA P-256".into()),
                expires: Some("2026-03-01T00:00:00Z".into()),
                next: Some("2026-02-01T00:00:00Z".into()),
                why: Some("suggested".into()),
                edge: Some("web-2-1f2e3d".into()),
                trouble: Some(CertificateTrouble {
                    since: "2026-01-01T00:00:00Z".into(),
                    times: 2,
                    directory: "https://ca.example.com/directory".into(),
                    problem: "no valid A records found (dns)".into(),
                    advice: "see that it has one".into(),
                }),
            }],
            internal_ca: Some(InternalCa {
                name: "Plimsoll internal CA of web-1, 2026-01-01".into(),
                fingerprint: "0123456789abcdef".into(),
                expires: "2036-01-01T00:00:00Z".into(),
                root: "-----BEGIN CERTIFICATE-----\n".into(),
            }),
        })
    }

    async fn bans(&self) -> Result<Bans, Refusal> {
        self.say(Bans { bans: vec![ban(alice())] })
    }

    async fn ban(&self, new: NewBan) -> Result<Ban, Refusal> {
        self.say(ban(new.banned))
    }

    async fn unban(&self, banned: BanKey) -> Result<Lifted, Refusal> {
        assert_eq!(banned, alice());
        self.say(Lifted { lifted: banned })
    }

    async fn explain(&self, question: Question) -> Result<Explanation, Refusal> {
        self.say(Explanation {
            basis: Basis::Running,
            request: Asked {
                method: question.method,
                listener: None,
                host: "a".to_owned(),
                path: "/".to_owned(),
                from: [127, 0, 0, 1].into(),
            },
            routes: Vec::new(),
            who: Vec::new(),
            policies: Vec::new(),
            outcome: Outcome::Refused { status: 404, why: "no route matches".to_owned() },
        })
    }

    async fn deploy(&self, _: &str, deploy: Deploy) -> Result<Deploying, Refusal> {
        assert_eq!(deploy.version.as_deref(), Some("1.4.2"));
        self.say(Deploying { id: 7 })
    }

    async fn scale(&self, _: &str, Scale { replicas }: Scale) -> Result<Scaled, Refusal> {
        self.say(Scaled { replicas, of_file: 2, after_deploy: Some(7) })
    }

    async fn jobs(&self) -> Result<Jobs, Refusal> {
        self.say(Jobs { jobs: vec![job()] })
    }

    async fn job(&self, job: &str) -> Result<Job, Refusal> {
        assert_eq!(job, "crawl");
        self.say(self::job())
    }

    async fn run_job(&self, job: &str, _: NewJobRun) -> Result<JobStarted, Refusal> {
        assert_eq!(job, "crawl");
        self.say(JobStarted { run: 7 })
    }

    async fn job_output(&self, job: &str, run: i64, from: usize) -> Result<JobOutput, Refusal> {
        assert_eq!((job, run), ("crawl", 7));
        let lines = vec![WRITTEN.to_owned()];
        self.say(JobOutput { from, lines, end: job_run().into() })
    }

    async fn surroundings(&self, _: &str) -> Result<Surroundings, Refusal> {
        self.say(Surroundings {
            release: "1.4.2".to_owned(),
            process: Some(ProcessPlace {
                directory: "/srv/api".to_owned(),
                environment: [("DB_URL".to_owned(), "postgres://".to_owned())].into(),
                uid: 1000,
                gid: 1000,
                groups: vec![33],
            }),
            container: None,
        })
    }

    async fn deploy_action(&self, _: &str, action: DeployAction) -> Result<Acted, Refusal> {
        assert_eq!(action, DeployAction::Abort);
        self.say(Acted { id: Some(7) })
    }

    async fn deploy_events(&self, deploy: i64, from: usize) -> Result<DeployEvents, Refusal> {
        let text = format!("deploy {deploy} from line {from}");
        let line =
            Line { at_s: 0.5, event: "step".to_owned(), instance: None, text, finding: None };
        let output = self.writes.then(output);
        self.say(DeployEvents { lines: [line].into_iter().chain(output).collect(), receipt: None })
    }

    fn events(&self) -> telemetry::Events {
        self.events.clone()
    }

    async fn history(&self, _: &str) -> Result<History, Refusal> {
        let deploys = self.writes.then(failed).into_iter().collect();
        self.say(History { deploys })
    }

    async fn show_deploy(&self, service: &str, deploy: i64) -> Result<Past, Refusal> {
        assert_eq!((service, deploy), ("api", 7));
        self.say(failed())
    }

    async fn judge(
        &self,
        service: &str,
        deploy: i64,
        set: BTreeMap<String, String>,
    ) -> Result<Judged, Refusal> {
        assert_eq!((service, deploy), ("api", 7));
        let judgement = |verdict: &str| Judgement {
            worse_after_s: None,
            worse: None,
            finding: None,
            noticed: Vec::new(),
            verdict: verdict.to_owned(),
            record_s: 9.0,
        };
        let (had, with_set) = (judgement("as it was"), judgement("otherwise"));
        self.say(Judged { deploy: failed(), had, set, with_set })
    }

    async fn scrape(&self) -> Result<Scrape, Refusal> {
        self.say(Scrape { media_type: "text/plain", text: "up 1\n".to_owned() })
    }
}

pub(crate) fn alice() -> BanKey {
    BanKey { subject: Some("alice & bob".to_owned()), ..BanKey::default() }
}

pub(crate) fn ban(banned: BanKey) -> Ban {
    Ban { banned, until: "2026-11-26T00:00:00Z".to_owned(), reason: None }
}

/// What an instance wrote.
fn output() -> Line {
    let text = "starting with dsn=postgres://u:PASSW0RD@db".to_owned();
    let instance = Some("api-2".to_owned());
    Line { at_s: 0.7, event: "output".to_owned(), instance, text, finding: None }
}

/// What was found of it, with what it wrote beside a request.
fn found() -> Line {
    let line = serde_json::json!({
        "at_s": 0.6, "event": "returning", "instance": null, "text": "release 2 is worse",
        "finding": {
            "kind": "errors", "compared_with": "old_release", "since_s": 0.2,
            "since": "2026-11-26T00:00:00.2Z", "new": { "hits": 9, "requests": 9 },
            "old": { "hits": 0, "requests": 90 }, "expected": 0.0, "one_in": 1000.0, "confidence": 0.99,
            "requests": [{
                "id": "0123456789abcdef", "at": "2026-11-26T00:00:00.5Z", "instance": "api-2",
                "status": 500, "ending": "failed", "latency_ms": 1.5,
                "output": [{ "text": "failed with dsn=postgres://u:PASSW0RD@db" }],
            }],
        },
    });
    serde_json::from_value(line).unwrap()
}

/// A deploy whose receipt has it.
pub(crate) fn failed() -> Past {
    let receipt = serde_json::json!({
        "id": 2, "service": "api", "previous": "1", "release": "2", "who": "ops", "strategy": "rolling",
        "began_at": "2026-11-26T00:00:00Z", "took_s": 1.0, "outcome": "broken", "reason": "it ended",
        "requests": 0, "failed": 0, "releases": [], "lines": [output(), found()],
    });
    Past {
        id: 2,
        restores: None,
        previous: Some("1".to_owned()),
        release: "2".to_owned(),
        who: "ops".to_owned(),
        began_at: "2026-11-26T00:00:00Z".to_owned(),
        ended_at: None,
        outcome: Some("broken".to_owned()),
        receipt: serde_json::from_value(receipt).unwrap(),
    }
}

fn stands(name: &str, state: InstanceState) -> Instance {
    Instance {
        name: name.to_owned(),
        address: "127.0.0.1:1".to_owned(),
        release: None,
        state,
        access: Access::Barred,
        reason: "passed its checks".to_owned(),
        since_s: 0.0,
        drained_at: None,
        weight: 1,
        backup: false,
        in_flight: 0,
        oldest_s: None,
        open: None,
        totals: Totals::default(),
        requests_per_s: 0.0,
        errors_per_s: 0.0,
        error_share: 0.0,
        p50_ms: None,
        p99_ms: None,
        outlier: None,
    }
}

/// A line that a job wrote.
pub(crate) const WRITTEN: &str = "crawled 17 pages";

fn job() -> Job {
    Job {
        name: "crawl".to_owned(),
        service: "api".to_owned(),
        command: "./crawl".to_owned(),
        schedule: Some("*/10 * * * *".to_owned()),
        time_zone: Some("UTC".to_owned()),
        overlap: "skip".to_owned(),
        next: Some("2026-01-02T03:10:00Z".to_owned()),
        retry_at: None,
        runs: vec![job_run()],
    }
}

fn job_run() -> JobRun {
    JobRun {
        id: 7,
        release: Some("1.4.2".to_owned()),
        due: Some("2026-01-02T03:00:00Z".to_owned()),
        who: None,
        began_at: "2026-01-02T03:00:00Z".to_owned(),
        ended_at: Some("2026-01-02T03:00:09Z".to_owned()),
        attempts: 1,
        outcome: Some("failed".to_owned()),
        exit_code: Some(3),
        why: Some("it exited with code 3".to_owned()),
        output: Some(WRITTEN.to_owned()),
    }
}
