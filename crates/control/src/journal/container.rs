//! What a recipe has of a container, as it stands in the journal.

use std::path::PathBuf;

use model::{Access, Command, ContainerRecipe, Pin, Resources, Volume, VolumeSource};
use serde::{Deserialize, Serialize};

use super::recipe::{Words, account};

#[derive(Serialize, Deserialize)]
pub(super) struct WrittenContainer {
    image: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pin: Option<WrittenPin>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    command: Option<Words>,
    port: u16,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    user: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    volumes: Vec<WrittenVolume>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    network: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    memory: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cpu_millis: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pids: Option<u32>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum WrittenPin {
    Digest(String),
    Local(String),
}

#[derive(Serialize, Deserialize)]
struct WrittenVolume {
    source: WrittenSource,
    target: String,
    #[serde(default, skip_serializing_if = "is_false")]
    read_only: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum WrittenSource {
    Named(String),
    Path(PathBuf),
}

fn is_false(flag: &bool) -> bool {
    !flag
}

impl From<ContainerRecipe> for WrittenContainer {
    fn from(recipe: ContainerRecipe) -> Self {
        let ContainerRecipe { image, pin, command, port, user, volumes, network, resources } =
            recipe;
        let Resources { memory, cpu_millis, pids } = resources;
        let pin = pin.map(|pin| match pin {
            Pin::Digest(digest) => WrittenPin::Digest(digest),
            Pin::Local(id) => WrittenPin::Local(id),
        });
        let user = user.map(|user| user.to_string());
        let volumes = volumes.into_iter().map(WrittenVolume::from).collect();
        let command = command.map(Words::from);
        Self { image, pin, command, port, user, volumes, network, memory, cpu_millis, pids }
    }
}

impl From<Volume> for WrittenVolume {
    fn from(volume: Volume) -> Self {
        let source = match volume.source {
            VolumeSource::Named(name) => WrittenSource::Named(name),
            VolumeSource::Path(path) => WrittenSource::Path(path),
        };
        Self { source, target: volume.target, read_only: volume.access == Access::Read }
    }
}

impl WrittenContainer {
    /// As it was.
    pub(super) fn read(self) -> serde_json::Result<ContainerRecipe> {
        let Self { image, pin, command, port, user, volumes, network, memory, cpu_millis, pids } =
            self;
        let pin = pin.map(|pin| match pin {
            WrittenPin::Digest(digest) => Pin::Digest(digest),
            WrittenPin::Local(id) => Pin::Local(id),
        });
        let user = user.map(account).transpose()?;
        let volumes = volumes.into_iter().map(Volume::from).collect();
        let resources = Resources { memory, cpu_millis, pids };
        let command = command.map(Command::from);
        Ok(ContainerRecipe { image, pin, command, port, user, volumes, network, resources })
    }
}

impl From<WrittenVolume> for Volume {
    fn from(written: WrittenVolume) -> Self {
        let source = match written.source {
            WrittenSource::Named(name) => VolumeSource::Named(name),
            WrittenSource::Path(path) => VolumeSource::Path(path),
        };
        let access = if written.read_only { Access::Read } else { Access::Write };
        Self { source, target: written.target, access }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_container_is_read_as_it_was_written_and_says_nothing_of_what_it_lacks() {
        let volume = |source, access| Volume { source, target: "/data".into(), access };
        let whole = ContainerRecipe {
            image: "r.io/shop:{version}".into(),
            pin: Some(Pin::Digest("sha256:a".into())),
            command: Some(Command::Arguments(vec!["work".into()])),
            port: 3000,
            user: Some("1000:app".parse().unwrap()),
            volumes: vec![
                volume(VolumeSource::Named("uploads".into()), Access::Write),
                volume(VolumeSource::Path("/srv".into()), Access::Read),
            ],
            network: Some("backend".into()),
            resources: Resources { memory: Some(1), cpu_millis: Some(2), pids: Some(3) },
        };
        let text = |recipe: &ContainerRecipe| {
            serde_json::to_string(&WrittenContainer::from(recipe.clone())).unwrap()
        };
        let read = |text: &str| {
            serde_json::from_str::<WrittenContainer>(text).and_then(WrittenContainer::read)
        };
        assert_eq!(read(&text(&whole)).unwrap(), whole);
        let least = ContainerRecipe {
            image: "shop".into(),
            pin: None,
            command: None,
            port: 8080,
            user: None,
            volumes: Vec::new(),
            network: None,
            resources: Resources::default(),
        };
        assert_eq!(text(&least), r#"{"image":"shop","port":8080}"#);
        assert_eq!(read(&text(&least)).unwrap(), least);
        assert!(read(r#"{"image":"shop","port":8080,"user":"a b"}"#).is_err());
    }
}
