//! Java: Spring Boot and Quarkus, built by Maven or Gradle.

use crate::commands::init::folder::Folder;
use crate::commands::init::proposal::{Health, Proposal, Releases};

/// What a build file says.
struct Build {
    file: &'static str,
    text: String,
    name: Option<String>,
    version: Option<String>,
    /// Where what is built lies.
    output: &'static str,
    /// The command that builds it.
    builds: &'static str,
}

pub(super) fn find(folder: &dyn Folder) -> Option<Proposal> {
    let build = maven(folder).or_else(|| gradle(folder))?;
    let found = match &build.text {
        text if text.contains("spring-boot") || text.contains("org.springframework.boot") => {
            build.spring()
        }
        text if text.contains("quarkus") => build.quarkus(),
        _ => return None,
    };
    let wrapped = ["mvnw", "gradlew"].into_iter().any(|it| folder.has(it));
    let builds = if wrapped { build.builds } else { build.builds.trim_start_matches("./").trim() };
    let builds = if wrapped {
        builds.to_owned()
    } else {
        builds.replacen("mvnw", "mvn", 1).replacen("gradlew", "gradle", 1)
    };
    Some(found.seen(build.file).caution(format!("build it before it starts: {builds}")))
}

fn maven(folder: &dyn Folder) -> Option<Build> {
    let text = folder.text("pom.xml")?;
    // The project's own name and version stand outside of its parent, its dependencies and its plugins.
    let mut own = text.clone();
    for part in
        ["parent", "dependencies", "dependencyManagement", "build", "profiles", "properties"]
    {
        own = without(&own, part);
    }
    let (name, version) = (element(&own, "artifactId"), element(&own, "version"));
    let output = "target";
    Some(Build { file: "pom.xml", text, name, version, output, builds: "./mvnw package" })
}

fn gradle(folder: &dyn Folder) -> Option<Build> {
    let file = folder.first(&["build.gradle", "build.gradle.kts"])?;
    let text = folder.text(file)?;
    let settings = folder.first(&["settings.gradle", "settings.gradle.kts"]);
    let settings = settings.and_then(|path| folder.text(path)).unwrap_or_default();
    let name = assigned(&settings, "rootProject.name");
    let version = assigned(&text, "version");
    Some(Build { file, text, name, version, output: "build/libs", builds: "./gradlew bootJar" })
}

impl Build {
    fn spring(&self) -> Proposal {
        let name = self.name.as_deref().unwrap_or("app");
        let version = self.version.as_deref().filter(|it| !it.contains('$'));
        let jar = match version {
            Some(_) => format!("{}/{name}-{{version}}.jar", self.output),
            None => format!("{}/{name}.jar", self.output),
        };
        let why = "The jar's name has the version, so that a deploy names the jar, and a rollback finds the old one.";
        let command = format!("java -jar {jar} --server.port=$PORT --server.address=127.0.0.1");
        let health = match self.text.contains("spring-boot-starter-actuator") {
            true => {
                Health::path("/actuator/health", format!("Spring Boot Actuator, in {}.", self.file))
            }
            false => Health {
                why: "Only a connection is opened: with spring-boot-starter-actuator it would be \
                      health = { path = \"/actuator/health\" }."
                    .to_owned(),
                ..Health::connection()
            },
        };
        let proposal = Proposal::command("Spring Boot", command, why).health(health);
        let proposal = match version {
            Some(version) => proposal.version(Some(version.to_owned())).releases(Releases::Command),
            None => proposal,
        };
        proposal
            .key(
                "env = { SPRING_PROFILES_ACTIVE = \"prod\" }",
                "The profile of application-prod.properties, where there is one.",
            )
            .key(
                "stop = { timeout = \"35s\" }",
                "Longer than spring.lifecycle.timeout-per-shutdown-phase (30 s); needs server.shutdown = graceful.",
            )
            .key(
                "slow_start = \"20s\"",
                "A JVM is slow at first: a new instance gets its full share only after that long.",
            )
    }

    fn quarkus(&self) -> Proposal {
        let output = if self.output == "target" { "target" } else { "build" };
        let command = format!(
            "java -Dquarkus.http.host=127.0.0.1 -Dquarkus.http.port=$PORT -jar {output}/quarkus-app/quarkus-run.jar"
        );
        let health = match self.text.contains("smallrye-health") {
            true => Health::path("/q/health/ready", format!("SmallRye Health, in {}.", self.file)),
            false => Health::connection(),
        };
        let proposal =
            Proposal::command("Quarkus", command, "As Quarkus' build makes it.").health(health);
        proposal.version(self.version.clone())
    }
}

/// The text without the elements of this name.
fn without(text: &str, name: &str) -> String {
    let (open, close) = (format!("<{name}>"), format!("</{name}>"));
    let mut rest = text;
    let mut kept = String::with_capacity(text.len());
    while let Some((before, after)) = rest.split_once(&open) {
        kept.push_str(before);
        rest = after.split_once(&close).map_or("", |(_, after)| after);
    }
    kept + rest
}

/// What stands in the first element of this name.
fn element(text: &str, name: &str) -> Option<String> {
    let (_, rest) = text.split_once(&format!("<{name}>"))?;
    Some(rest.split_once("</")?.0.trim().to_owned())
}

/// What is assigned to `name` in a build file of Gradle.
fn assigned(text: &str, name: &str) -> Option<String> {
    let line = text
        .lines()
        .map(str::trim)
        .find(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with([' ', '='])))?;
    line.split(['"', '\'']).nth(1).map(str::to_owned)
}
