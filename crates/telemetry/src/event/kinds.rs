//! Every kind of event, with its level, the message of its line in the log, and its fields.
//!
//! A level says what is to be done: an error means that a person must act, a warning that one may have to.

use std::borrow::Cow;
use std::time::{Duration, SystemTime};

use model::{AuthName, InstanceName, JobName, ListenerName, Revision, ServiceName};

use super::declare::events;
use super::{Field, Level, Value};

/// What each field says, in whichever kind it is.
pub const FIELDS: &[(&str, &str)] = &[
    ("abuse", "the rule of abuse"),
    ("again", "when it is tried again, as RFC 3339 has it"),
    ("auth", "the authentication"),
    ("before", "how often it happened since it was last told"),
    ("certificates", "how many certificates there are"),
    ("deploy", "the number of the deploy"),
    ("expires", "when the first of them expires, as RFC 3339 has it"),
    ("file", "the file of the configuration"),
    ("from", "what was so before"),
    ("hint", "what may mend it"),
    ("host", "the host that a certificate is for"),
    ("id", "what the key is called"),
    ("instance", "the instance"),
    ("instances", "what becomes of the instances that Plimsoll runs"),
    ("job", "the job"),
    ("kept", "how many stay in use"),
    ("key", "the key of the file"),
    ("keys", "how many keys are used"),
    ("line", "the line of the file"),
    ("lines", "how many lines are lost"),
    ("listener", "the listener"),
    ("name", "the host name"),
    ("not_made", "how many checks were not made since this was last told"),
    ("of", "what has run out"),
    ("of_file", "how many instances the file says"),
    ("open", "how many exchanges are cut off"),
    ("outcome", "`promoted`, `rolled-back`, `broken` or `interrupted`"),
    ("output", "a line that the instance wrote"),
    ("path", "the file or directory"),
    ("place", "where the output of instances is"),
    ("reason", "why it ended so"),
    ("release", "the release of the instance"),
    ("replicas", "how many instances a service is to have"),
    ("restores", "the number of the deploy whose release is brought back"),
    ("revision", "the number of the configuration that is active"),
    ("run", "the number of the job's run"),
    ("runs", "how often it has ended early in a row"),
    ("seconds", "how long that lasts, or until it is tried again"),
    ("service", "the service"),
    ("since", "since when, as far as that can be said"),
    ("step", "the word for the step, as in a deploy's lines"),
    ("store", "where the store is that edges share"),
    ("unchanged", "whether the configuration says the same as before"),
    ("url", "where it is asked for"),
    ("version", "the release that is to come"),
    ("what", "what, in words"),
    ("who", "the person or program that asked for it"),
    ("why", "why, with all causes"),
];

events! {
    /// The first configuration is served.
    Serving = "serving" INFO "serving" {revision: Revision};
    /// Plimsoll stops: no connection is accepted any more. What follows is what becomes of its instances.
    Stopping = "stopping" DEBUG "stopping" {instances: Cow<'static, str>};
    /// A configuration was read again and is active.
    ConfigApplied = "config_applied" INFO "configuration applied" {revision: Revision, unchanged: bool};
    /// A configuration was read again and cannot be used. Nothing has changed.
    ConfigRejected = "config_rejected" ERROR "configuration rejected, the active revision is unchanged" {why: String, revision: Revision};
    /// A configuration was applied and is watched: it is rolled back if requests fail more often than before it.
    ReloadWatched = "reload_watched" INFO "reload is watched" {revision: Revision, seconds: Duration};
    /// The watch of a reload is over. What is served stays.
    ReloadWatchEnded = "reload_watch_ended" INFO "watch of the reload is over" {revision: Revision, what: String};
    /// Requests failed more often than before a reload, which was watched. What was served before is served again.
    ReloadRolledBack = "reload_rolled_back" ERROR "reload rolled back" {revision: Revision, why: String};
    /// A reload should have been rolled back, and what was served before cannot be put into effect. The new configuration stays.
    ReloadNotRolledBack = "reload_not_rolled_back" ERROR "cannot roll the reload back" {revision: Revision, why: String};
    /// Something in the configuration that was applied is doubtful.
    ConfigWarning = "config_warning" WARN "configuration warning" {file: String, line: usize, key: String, what: String, hint: String};
    /// A setting has changed that is read only at the start.
    RestartNeeded = "restart_needed" WARN "setting takes effect only after a restart" {key: String};
    /// The file says otherwise than what runs, which only a deploy mends.
    ReleaseDiffers = "release_differs" WARN "running release differs from the file" {service: ServiceName, what: String};
    /// A service's instances have all rights on this machine.
    InstancesRunAsRoot = "instances_run_as_root" WARN "instances run as root; set `user` to run them as another user" {service: ServiceName};
    /// Addresses or instances have changed, and could not be published. What was served is served on.
    AddressesNotApplied = "addresses_not_applied" ERROR "cannot apply new addresses" {why: String};
    /// A state directory of another configuration is used from now on, as was asked for.
    StateAdopted = "state_adopted" INFO "state directory adopted from another configuration" {path: String};
    /// That the state directory is this configuration's could not be noted in it.
    StateOwnerNotRecorded = "state_owner_not_recorded" WARN "cannot record which configuration owns the state directory" {why: String, path: String};
    /// What was kept of drains cannot be understood. Instances that were drained get requests.
    DrainsDamaged = "drains_damaged" ERROR "list of drained instances is damaged; treating none as drained" {path: String};
    /// What was kept of drains cannot be read. Instances that were drained get requests.
    DrainsUnreadable = "drains_unreadable" ERROR "cannot read the list of drained instances; treating none as drained" {why: String};
    /// A drain, or its end, holds until Plimsoll ends, and not after it.
    DrainsNotSaved = "drains_not_saved" ERROR "cannot save the list of drained instances; a restart will lose it" {path: String, why: String};
    /// What was kept of bans is damaged. Those that can be read hold, and the others do not.
    BansDamaged = "bans_damaged" ERROR "list of bans is damaged; those that can be read hold" {path: String, kept: usize};
    /// What was kept of bans cannot be read. Nobody is banned.
    BansUnreadable = "bans_unreadable" ERROR "cannot read the list of bans; treating nobody as banned" {why: String};
    /// A ban, or its end, holds until Plimsoll ends, and not after it.
    BansNotSaved = "bans_not_saved" ERROR "cannot save the list of bans; a restart will lose changes" {path: String, why: String};
    /// As many bans as can be kept are in force: a new one is refused until some end or are lifted, also one that another edge made.
    BansFull = "bans_full" ERROR "no room for more bans" {kept: usize};
    /// A client has logged out on a route with `ban_token`, and its token could not be banned: too many did at once.
    TokenNotBanned = "token_not_banned" ERROR "cannot ban the token of a client that has logged out" {};
    /// A client, or a subject, was refused too often, and is banned as a rule of abuse says.
    ClientBanned = "client_banned" INFO "too many refusals; banned" {abuse: String, what: String, seconds: Duration};
    /// A client, or a subject, was refused too often, and would be banned if the rule of abuse did not only observe.
    ClientObserved = "client_observed" INFO "too many refusals; would be banned" {abuse: String, what: String, seconds: Duration};
    /// Clients that were refused too often are not banned: too many were at once. Their next refusals are counted anew.
    ClientNotBanned = "client_not_banned" ERROR "cannot ban a client with too many refusals" {before: u64};
    /// The store that edges share cannot be used, or for another reason than before. Until it can, `store.on_failure` says what happens.
    StoreDown = "store_down" ERROR "the store is down" {store: String, why: String};
    /// The store that edges share can be used again.
    StoreUp = "store_up" INFO "the store is up again" {store: String, seconds: Duration};
    /// Something panicked that prepares a deploy.
    PreflightPanicked = "preflight_panicked" ERROR "preflight task failed" {why: String};
    /// The control loop panicked. Requests are served on, and nothing is decided any more.
    ControlPanicked = "control_panicked" ERROR "control loop panicked" {};

    /// A listener's certificates were read, at the start or by a reload.
    CertificatesRead = "certificates_read" DEBUG "certificates read" {listener: ListenerName, certificates: usize, expires: Option<SystemTime>};
    /// The files of a listener's certificates hold others than before, which are served from now on.
    CertificatesRenewed = "certificates_renewed" INFO "new certificates are served" {listener: ListenerName, certificates: usize, expires: Option<SystemTime>};
    /// The files of certificates have changed and cannot be used as they are. Those that were read before are served on.
    CertificatesUnreadable = "certificates_unreadable" WARN "cannot read new certificates; keeping those that were read before" {path: String, why: String};
    /// The files of certificates can be read again.
    CertificatesReadable = "certificates_readable" INFO "certificates can be read again" {path: String};
    /// The certificates by which TLS is spoken with a service's instances were replaced: new connections are opened with them.
    ServiceTlsRenewed = "service_tls_renewed" INFO "new certificates are used towards instances" {service: ServiceName};
    /// A certificate by which TLS is spoken with a service's instances is doubtful: instances may refuse it, or it may soon say nothing of them.
    ServiceTlsWarning = "service_tls_warning" WARN "certificate warning" {service: ServiceName, why: String};
    /// The certificate of the admin API was replaced in its files: new connections are shown it.
    AdminCertificateRenewed = "admin_certificate_renewed" INFO "the admin API has a new certificate" {expires: Option<SystemTime>};
    /// The certificate of the admin API will soon expire, has expired, or clients may not accept it.
    AdminCertificateWarning = "admin_certificate_warning" WARN "certificate warning of the admin API" {why: String};
    /// A certificate is used that will soon expire, has expired, or that clients may not accept. One that cannot be used
    /// rejects the configuration.
    CertificateWarning = "certificate_warning" WARN "certificate warning" {listener: ListenerName, why: String};

    /// A certificate was issued by the CA that it was ordered of. New connections are served with it.
    CertificateIssued = "certificate_issued" INFO "certificate issued" {host: String, url: String, expires: Option<SystemTime>};
    /// A certificate was ordered of a CA and not issued. Another one is ordered then; one that is there is served until it expires.
    CertificateNotIssued = "certificate_not_issued" WARN "certificate not issued" {host: String, url: String, why: String, hint: String, again: Option<SystemTime>};
    /// A certificate that was issued cannot be kept in the state directory. It is served, and after a restart another one is ordered.
    CertificateNotKept = "certificate_not_kept" ERROR "cannot save a certificate" {path: String, why: String};
    /// A certificate that was kept in the state directory cannot be used. Another one is ordered.
    KeptCertificateUnusable = "kept_certificate_unusable" WARN "cannot use a certificate that was kept" {path: String, why: String};
    /// A certificate that another edge has ordered came by the store. New connections are served with it.
    CertificateAdopted = "certificate_adopted" INFO "certificate of another edge is served" {host: String, expires: Option<SystemTime>};
    /// What stands in the store as the certificate of a host cannot be used: it was changed there, or is no certificate for that host. The one that is there is served on.
    SharedCertificateUnusable = "shared_certificate_unusable" WARN "cannot use a certificate that is shared" {host: String, why: String};
    /// A record that a CA has looked for cannot be taken away again. It does no harm.
    ChallengeRecordLeft = "challenge_record_left" WARN "cannot remove a record that a CA has looked for" {name: String, why: String};
    /// A CA of Plimsoll's own was made. Clients believe its certificates once they are given its root.
    InternalCaMade = "internal_ca_made" INFO "made a CA of our own; `plimsoll certificates --ca` prints its root" {name: String, path: String};
    /// An account was opened with a CA. Its key is kept there.
    AccountOpened = "account_opened" INFO "account opened with a CA" {url: String, path: String};
    /// The key of an account with a CA cannot be kept in the state directory: after a restart another one is opened.
    AccountNotKept = "account_not_kept" ERROR "cannot save an account with a CA" {url: String, why: String};

    /// An issuer's keys cannot be fetched. Those that were fetched last are used on; where there never were any, routes that need them respond with 503.
    KeysUnfetched = "keys_unfetched" WARN "cannot fetch the keys of an issuer; keeping those that are known" {url: String, why: String, kept: usize};
    /// An issuer's keys can be fetched again.
    KeysFetched = "keys_fetched" INFO "the keys of an issuer can be fetched again" {url: String};
    /// An issuer has other keys than before: tokens are checked with these from now on.
    KeysTaken = "keys_taken" INFO "the keys of an issuer are used" {url: String, keys: usize};
    /// A key of an issuer cannot be used; the others are.
    KeySkipped = "key_skipped" WARN "a key of an issuer is not used" {url: String, id: String, why: String};
    /// The keys of issuers cannot be kept in the state directory: a start while an issuer is down would have none.
    KeysNotSaved = "keys_not_saved" ERROR "cannot save the keys of issuers" {path: String, why: String};

    /// A service that is asked who requests are from, or an issuer of tokens, gives nothing that can be used. Requests that it would have to be asked of get 503.
    AuthServerFailed = "auth_server_failed" WARN "a server that is asked who requests are from gives no usable response; refusing them" {auth: AuthName, url: String, why: String, before: u64};
    /// Such a server gives responses again that can be used.
    AuthServerRecovered = "auth_server_recovered" INFO "the server that is asked who requests are from responds again" {auth: AuthName, url: String};

    /// A target's name cannot be resolved any more.
    NameUnresolved = "name_unresolved" WARN "cannot resolve name; keeping the known addresses" {name: String, why: String, kept: usize};
    /// A target's name can be resolved again.
    NameResolved = "name_resolved" INFO "name resolves again" {name: String};

    /// Health checks pass that failed, or are the first.
    InstanceHealthy = "instance_healthy" INFO "instance is healthy" {service: ServiceName, instance: InstanceName, from: Cow<'static, str>};
    /// Health checks fail.
    InstanceUnhealthy = "instance_unhealthy" WARN "instance is unhealthy" {service: ServiceName, instance: InstanceName, from: Cow<'static, str>, why: String};
    /// TLS could not be agreed on with an instance, or its certificate is not good. Told once a minute at most of each instance, as
    /// long as it says the same.
    InstanceTlsFailed = "instance_tls_failed" WARN "no TLS with an instance" {service: ServiceName, instance: InstanceName, why: String};
    /// An instance fails more often than its siblings, by the same routes in the same seconds.
    InstanceOutlier = "instance_outlier" WARN "instance fails more often than its siblings" {service: ServiceName, instance: InstanceName, why: String, since: Option<SystemTime>};
    /// It fails no more often than they do any longer.
    InstanceOutlierOver = "instance_outlier_over" INFO "instance fails no more often than its siblings" {service: ServiceName, instance: InstanceName};
    /// Another instance is started in the place of one that failed more often than its siblings.
    OutlierReplaced = "outlier_replaced" WARN "instance is replaced" {service: ServiceName, instance: InstanceName};
    /// An instance gets no requests for a while, because requests to it failed.
    InstanceEjected = "instance_ejected" WARN "instance is ejected" {service: ServiceName, instance: InstanceName, why: String, seconds: Duration};
    /// An ejection is over.
    InstanceReadmitted = "instance_readmitted" INFO "instance is readmitted" {service: ServiceName, instance: InstanceName, why: String};
    /// An operator drains an instance.
    InstanceDrained = "instance_drained" INFO "instance is drained" {service: ServiceName, instance: InstanceName};
    /// An operator has ended a drain.
    InstanceEnabled = "instance_enabled" INFO "instance is enabled" {service: ServiceName, instance: InstanceName};
    /// Health checks cannot be made, for lack of something on this machine. What was known of instances holds.
    ChecksNotMade = "checks_not_made" ERROR "cannot make health checks; no instance is judged by them" {why: String, not_made: u64};
    /// The program that checks an instance cannot be run as its recipe says.
    CheckProgramUnavailable = "check_program_unavailable" WARN "cannot run the check program for the instance" {service: ServiceName, instance: InstanceName, why: String};

    /// No instance of a service is healthy: their health is ignored.
    ServicePanics = "service_panics" ERROR "no instance is healthy; all eligible instances receive traffic" {service: ServiceName};
    /// A service has no instance that can get requests.
    ServiceDown = "service_down" ERROR "no instance can receive traffic" {service: ServiceName};
    /// Only a service's backups are healthy, and get its requests.
    ServiceOnBackups = "service_on_backups" WARN "only backups are healthy" {service: ServiceName};
    /// A service is served as it should be again.
    ServiceRecovered = "service_recovered" INFO "a primary is healthy again" {service: ServiceName};

    /// An instance is started, or started again.
    InstanceStarting = "instance_starting" DEBUG "instance is starting" {service: ServiceName, instance: InstanceName, release: String};
    /// A check of an instance that is starting failed, and otherwise than the one before.
    InstanceNotReady = "instance_not_ready" DEBUG "instance is not ready" {service: ServiceName, instance: InstanceName, why: String};
    /// An instance is not ready long after it was started, or listens where it is not asked.
    InstanceUnready = "instance_unready" WARN "instance is not ready yet" {service: ServiceName, instance: InstanceName, why: String};
    /// A line that an instance of a first release wrote before it ended, or was given up.
    InstanceOutput = "instance_output" WARN "instance wrote" {service: ServiceName, instance: InstanceName, output: String};
    /// An instance was asked for what warms it up.
    InstanceWarmedUp = "instance_warmed_up" INFO "instance warmed up" {service: ServiceName, instance: InstanceName, what: String};
    /// An instance that was started has passed its first check.
    InstanceReady = "instance_ready" INFO "instance is ready" {service: ServiceName, instance: InstanceName};
    /// An instance ended by itself, and is not started again.
    InstanceEnded = "instance_ended" WARN "instance ended" {service: ServiceName, instance: InstanceName, why: String};
    /// An instance ended by itself, and is started again.
    InstanceRestarting = "instance_restarting" WARN "instance ended, restarting" {service: ServiceName, instance: InstanceName, why: String, seconds: Duration};
    /// An instance ends again and again soon after its start.
    InstanceCrashLoop = "instance_crash_loop" ERROR "instance is in a crash loop" {service: ServiceName, instance: InstanceName, why: String, runs: u32, seconds: Duration};
    /// An instance that was asked to stop had to be killed.
    InstanceForced = "instance_forced" WARN "instance did not stop when asked" {service: ServiceName, instance: InstanceName, what: String};
    /// Nothing is left of an instance that was to go.
    InstanceStopped = "instance_stopped" INFO "instance is stopped" {service: ServiceName, instance: InstanceName};
    /// An instance that an earlier start of Plimsoll left runs on.
    InstanceAdopted = "instance_adopted" INFO "instance is adopted" {service: ServiceName, instance: InstanceName};
    /// It is not known whether an instance of an earlier start of Plimsoll runs.
    InstanceLost = "instance_lost" ERROR "instance is lost" {service: ServiceName, instance: InstanceName, why: String};
    /// The time of a drain is over, and what is open on the instance ends with it.
    DrainCutOff = "drain_cut_off" WARN "drain timeout reached; cutting off open exchanges" {service: ServiceName, instance: InstanceName, open: u32};
    /// The time of a drain is over, and it is not known what is open on the instance.
    DrainNotReported = "drain_not_reported" WARN "drain timeout reached; a worker is too busy to report open exchanges" {service: ServiceName, instance: InstanceName};
    /// What instances wrote that are long gone could not be deleted.
    LogsNotRemoved = "logs_not_removed" WARN "cannot remove old logs" {service: ServiceName, place: String, why: String};

    /// A deploy begins.
    DeployStarted = "deploy_started" INFO "deploy started" {service: ServiceName, deploy: i64, who: String, version: String, restores: Option<i64>};
    /// A deploy that was asked for does not begin.
    DeployRefused = "deploy_refused" INFO "deploy refused" {service: ServiceName, who: String, version: String, why: String};
    /// A step of a deploy.
    DeployStep = "deploy_step" INFO "deploy step" {service: ServiceName, deploy: i64, step: Cow<'static, str>, instance: Option<InstanceName>, what: String};
    /// A deploy has ended.
    DeployFinished = "deploy_finished" INFO "deploy finished" {service: ServiceName, deploy: i64, outcome: Cow<'static, str>, reason: Option<String>};
    /// Plimsoll ended in the middle of a deploy, as its next start finds.
    DeployInterrupted = "deploy_interrupted" WARN "deploy was interrupted" {service: ServiceName, deploy: i64};
    /// A service is to have another number of instances, by hand or since the file says so again.
    ServiceScaled = "service_scaled" INFO "service is scaled" {service: ServiceName, replicas: u32, of_file: u32};
    /// A service has a command, and no release: the file names no version, and none was deployed.
    NoReleaseYet = "no_release_yet" WARN "no release yet; requests get 503" {service: ServiceName, hint: String};
    /// A service's first release was not promoted, and is tried again.
    FirstReleaseFailed = "first_release_failed" ERROR "first release does not run, retrying" {service: ServiceName, why: String, hint: Option<String>, seconds: Duration};
    /// A step of a further attempt at a first release: the first attempt's are told as any deploy's.
    FirstReleaseStep = "first_release_step" DEBUG "step of a further attempt at the first release" {service: ServiceName, step: Cow<'static, str>, instance: Option<InstanceName>, what: String};

    /// A run of a job has begun.
    JobStarted = "job_started" INFO "job started" {job: JobName, run: i64};
    /// A run of a job has ended with exit code 0.
    JobSucceeded = "job_succeeded" INFO "job succeeded" {job: JobName, run: i64, seconds: Duration};
    /// A run of a job has failed, and is not tried again.
    JobFailed = "job_failed" ERROR "job failed" {job: JobName, run: i64, why: String, seconds: Duration};
    /// A run of a job was stopped, or Plimsoll ended in the middle of it, as its next start finds.
    JobInterrupted = "job_interrupted" WARN "job was interrupted" {job: JobName, run: i64, why: String};
    /// A job was due and is not run.
    JobSkipped = "job_skipped" WARN "job is skipped" {job: JobName, why: String};
    /// A job was due when Plimsoll did not run, or in a time that the clock jumped over.
    JobMissed = "job_missed" WARN "job was missed" {job: JobName, what: String};
    /// A run of a job cannot be written down, so it is not run.
    JobNotRecorded = "job_not_recorded" ERROR "job cannot be recorded and is not run" {job: JobName, why: String};

    /// The journal cannot be read. A service that it knew is run as the file says.
    JournalUnreadable = "journal_unreadable" ERROR "cannot read the journal" {service: Option<ServiceName>, why: String};
    /// The journal can be read, and not written, as on a full disk.
    JournalReadOnly = "journal_read_only" ERROR "journal is read-only" {why: String};
    /// There is no room for what has to be written on a full disk.
    JournalNotReserved = "journal_not_reserved" ERROR "journal has no reserved space; instances that exit may stay down" {why: String};
    /// A recipe that the journal has cannot be understood.
    RecipeUnreadable = "recipe_unreadable" ERROR "cannot read a recipe in the journal; using the configuration's" {why: String};
    /// What was deleted may still be found in the journal's file.
    DeletedDataNotErased = "deleted_data_not_erased" WARN "cannot erase deleted data from the journal's file" {why: String};
    /// The number of a service's next instance could not be kept.
    InstanceNameNotRecorded = "instance_name_not_recorded" ERROR "cannot write the journal; an instance name may be used twice" {service: ServiceName, why: String};
    /// A step of a deploy could not be kept. What must not be done without being kept is not done.
    DeployStepNotRecorded = "deploy_step_not_recorded" WARN "cannot write the journal" {deploy: i64, why: String};
    /// A deploy has ended, and its receipt could not be kept.
    ReceiptLost = "receipt_lost" ERROR "cannot write the journal; the receipt is lost" {service: ServiceName, deploy: i64, why: String};
    /// What a deploy was judged by could not be written to the journal: it cannot be judged again.
    EvidenceLost = "evidence_lost" WARN "cannot write the journal; the deploy cannot be judged again" {service: ServiceName, deploy: i64, why: String};
    /// An instance is gone, and the journal still has it. The next start looks for it once more.
    InstanceNotForgotten = "instance_not_forgotten" ERROR "cannot delete an instance from the journal" {service: ServiceName, instance: InstanceName, why: String};

    /// A socket of a listener cannot be used. Its other sockets, one for each worker, go on.
    ListenerNotOpened = "listener_not_opened" ERROR "cannot listen" {listener: ListenerName, why: String};
    /// The system refuses new connections of a listener; they wait.
    AcceptFailed = "accept_failed" ERROR "cannot accept; new connections wait" {listener: ListenerName, why: String};
    /// A listener that is closed could not take connections that had come already.
    AcceptedLost = "accepted_lost" ERROR "cannot accept; waiting connections are lost" {listener: ListenerName, why: String};
    /// A listener has as many connections as it may; new ones wait.
    ConnectionLimit = "connection_limit" WARN "connection limit reached; new connections wait" {listener: ListenerName};
    /// There are no file descriptors for more clients; new connections wait.
    ClientDescriptorsOut = "client_descriptors_out" ERROR "no file descriptors left for clients; new connections wait" {listener: ListenerName};
    /// Connections on which nothing happened for longest were closed, so that new ones could be accepted.
    IdleConnectionsClosed = "idle_connections_closed" WARN "limit reached; closing the connections that have been idle for longest" {listener: ListenerName, of: Cow<'static, str>, before: u64};
    /// There are no file descriptors for connections to instances; requests are refused.
    InstanceDescriptorsOut = "instance_descriptors_out" ERROR "no file descriptors left for connections to instances; refusing requests" {before: u64};
    /// Idle connections of a worker are not watched any more: they stay open and are not served.
    IdleUnwatched = "idle_unwatched" ERROR "idle connections are no longer watched" {why: String};
    /// A worker could not start.
    WorkerNotStarted = "worker_not_started" ERROR "worker could not start" {why: String};
    /// A worker had panicked, as is found at the end.
    WorkerPanicked = "worker_panicked" ERROR "worker panicked" {};

    /// Lines of the access log cannot be written, and are lost.
    AccessLogFails = "access_log_fails" ERROR "cannot write the access log; lines are lost" {why: String, lines: u64};
    /// The access log can be written again.
    AccessLogRecovered = "access_log_recovered" INFO "access log is writable again" {lines: u64};
    /// The access log cannot be opened anew, as for its rotation.
    AccessLogNotReopened = "access_log_not_reopened" ERROR "cannot reopen the access log; writing on to the old file" {why: String, path: String};
    /// The last lines of the access log could not be written in time at the end.
    AccessLogLinesLost = "access_log_lines_lost" ERROR "last lines of the access log are lost" {why: String};
    /// What writes the access log panicked.
    AccessLogPanicked = "access_log_panicked" ERROR "access log thread panicked" {};
    /// The access log that was written before cannot be written again after a reload that failed.
    AccessLogNotRestored = "access_log_not_restored" ERROR "cannot return to the previous access log" {why: String};
    /// The last lines of the access log could not be written at the end.
    AccessLogNotClosed = "access_log_not_closed" ERROR "cannot close the access log" {why: String};
}
