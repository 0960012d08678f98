//! Which image a name stands for, and how it comes to this machine.
//!
//! A name is asked of its registry, and what it says is pinned: a tag that moves afterwards changes nothing of a release. Where
//! the registry cannot be asked at all, what this machine pulled by that name before is meant. An image that was made here, and
//! that no registry gave a digest, is its own.

use std::time::Duration;

use bollard::models::{ImageInspect, OciPlatform};
use bollard::query_parameters::CreateImageOptionsBuilder;
use driver::Login;
use futures_util::{Stream, StreamExt};
use model::{ImageName, Pin};

use crate::daemon::{Daemon, Platform};
use crate::error::{EngineError, ImageError, Known};

/// A pull of which nothing comes for so long has failed.
const STALL: Duration = Duration::from_secs(60);

/// Reads the name of an image.
pub(crate) fn name(text: &str) -> Result<ImageName, ImageError> {
    text.parse().map_err(|error: model::NoImageName| ImageError::Name {
        text: text.to_owned(),
        why: error.why(),
    })
}

/// How the engine is told of this very image.
pub(crate) fn reference(name: &ImageName, pin: Option<&Pin>) -> String {
    match pin {
        Some(Pin::Digest(digest)) => name.by_digest(digest),
        Some(Pin::Local(id)) => id.clone(),
        None => name.to_string(),
    }
}

/// Which image `name` stands for now. Nothing is pulled for it.
pub(crate) async fn resolve(
    daemon: &Daemon,
    name: &ImageName,
    login: Option<&Login>,
) -> Result<Pin, ImageError> {
    let platform = daemon.platform().await?;
    let here = daemon.image(&name.to_string()).await?;
    let of_repository = here.as_ref().and_then(|image| repo_digest(image, name));
    match (&here, &of_repository, &name.digest) {
        (Some(_), _, Some(digest)) => return Ok(Pin::Digest(digest.clone())),
        (Some(image), None, None) => {
            check_image(name, image, &platform)?;
            let what = "look an image up";
            let lacks = EngineError::Incomplete { what, lacks: "its id" };
            return Ok(Pin::Local(image.id.clone().ok_or(lacks)?));
        }
        _ => {}
    }
    let asked = daemon.ask_registry(&name.to_string(), login).await;
    let said = match (asked, of_repository) {
        (Ok(said), _) => said,
        (Err(error), Some(digest)) if is_unreachable(&error) => {
            tracing::warn!(image = %name, %error, "the registry cannot be asked: what was pulled before is used");
            return Ok(Pin::Digest(digest));
        }
        (Err(error), _) => return Err(of_registry(name, login, error)),
    };
    check_platforms(name, &said.platforms, &platform)?;
    let lacks = EngineError::Incomplete { what: "ask the registry", lacks: "the digest" };
    Ok(Pin::Digest(said.descriptor.digest.ok_or(lacks)?))
}

/// Whether an image was here already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Brought {
    /// It was pulled now.
    Now,
    /// It was here already.
    Before,
}

/// Brings the image here, where it is not yet.
pub(crate) async fn bring(
    daemon: &Daemon,
    reference: &str,
    login: Option<&Login>,
) -> Result<Brought, ImageError> {
    if daemon.image(reference).await?.is_some() {
        return Ok(Brought::Before);
    }
    // By an id nothing can be pulled: it was made here, and removed.
    if reference.starts_with("sha256:") {
        let message = "it was made on this machine, and is not there any more".to_owned();
        return Err(ImageError::Missing { image: reference.to_owned(), message });
    }
    let options = CreateImageOptionsBuilder::default().from_image(reference).build();
    let credentials = login.map(crate::login::credentials);
    let client = daemon.client(STALL).await?;
    let pulled = until_pulled(client.create_image(Some(options), None, credentials));
    pulled.await.map_err(|fault| match fault {
        Fault::Stalled => ImageError::Stalled { image: reference.to_owned(), limit: STALL },
        Fault::Failed(error) => {
            let image = reference.to_owned();
            match daemon.error("pull an image", STALL, error) {
                EngineError::Refused { message, .. } => ImageError::Pull { image, message },
                error => error.into(),
            }
        }
    })?;
    match daemon.image(reference).await? {
        Some(_) => Ok(Brought::Now),
        None => {
            let message = "it is not there after it was pulled".to_owned();
            Err(ImageError::Pull { image: reference.to_owned(), message })
        }
    }
}

enum Fault {
    Stalled,
    Failed(bollard::errors::Error),
}

/// Takes all that the engine tells of a pull, to its end.
async fn until_pulled<T>(
    told: impl Stream<Item = Result<T, bollard::errors::Error>>,
) -> Result<(), Fault> {
    let mut told = std::pin::pin!(told);
    loop {
        match tokio::time::timeout(STALL, told.next()).await {
            Ok(Some(Ok(_))) => {}
            Ok(Some(Err(error))) => return Err(Fault::Failed(error)),
            Ok(None) => return Ok(()),
            Err(_) => return Err(Fault::Stalled),
        }
    }
}

/// The digest by which the registry of `name` knows an image, if it came from there.
fn repo_digest(image: &ImageInspect, name: &ImageName) -> Option<String> {
    let digests = image.repo_digests.iter().flatten();
    let mut of_name = digests.filter_map(|text| {
        let known: ImageName = text.parse().ok()?;
        (known.repository() == name.repository()).then_some(known.digest)?
    });
    of_name.next()
}

/// Whether it was no answer of the registry that it does not have the image, or does not give it to us.
fn is_unreachable(error: &EngineError) -> bool {
    match error {
        EngineError::Refused { status, message, .. } => *status >= 500 && !is_denial(message),
        _ => true,
    }
}

/// Whether a registry wants to know who asks. Engines say so with 500, and in the words of their client.
fn is_denial(message: &str) -> bool {
    ["no basic auth credentials", "unauthorized", "authentication required", "denied"]
        .iter()
        .any(|words| message.contains(words))
}

/// What the engine said of a registry.
fn of_registry(name: &ImageName, login: Option<&Login>, error: EngineError) -> ImageError {
    let (image, registry) = (name.to_string(), name.registry.clone());
    match error {
        EngineError::Refused { status, message, .. }
            if matches!(status, 401 | 403) || (status >= 500 && is_denial(&message)) =>
        {
            let known = if login.is_some() { Known::Yes } else { Known::No };
            ImageError::Denied { image, registry, message, known }
        }
        EngineError::Refused { status: 404, message, .. } => ImageError::Missing { image, message },
        EngineError::Refused { message, .. } => ImageError::Registry { image, message },
        EngineError::Slow { limit, .. } => {
            let message = format!("it did not answer within {} s", limit.as_secs());
            ImageError::Registry { image, message }
        }
        error => error.into(),
    }
}

fn check_image(
    name: &ImageName,
    image: &ImageInspect,
    platform: &Platform,
) -> Result<(), ImageError> {
    let of_image = OciPlatform {
        os: image.os.clone().filter(|os| !os.is_empty()),
        architecture: image.architecture.clone().filter(|it| !it.is_empty()),
        ..OciPlatform::default()
    };
    check_platforms(name, &[of_image], platform)
}

/// An image that says nothing of what it is for is for every machine.
fn check_platforms(
    name: &ImageName,
    offered: &[OciPlatform],
    platform: &Platform,
) -> Result<(), ImageError> {
    let is_ours = |it: &OciPlatform| {
        let is = |said: &Option<String>, ours: &str| {
            said.as_deref().is_none_or(|said| said.is_empty() || said == ours)
        };
        is(&it.os, &platform.os) && is(&it.architecture, &platform.architecture)
    };
    if offered.is_empty() || offered.iter().any(is_ours) {
        return Ok(());
    }
    let shown = |it: &OciPlatform| {
        let part = |it: &Option<String>| it.clone().unwrap_or_else(|| "any".to_owned());
        format!("{}/{}", part(&it.os), part(&it.architecture))
    };
    Err(ImageError::Architecture {
        image: name.to_string(),
        offered: offered.iter().map(shown).collect(),
        needed: format!("{}/{}", platform.os, platform.architecture),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn platform(architecture: &str) -> OciPlatform {
        let (os, architecture) = (Some("linux".to_owned()), Some(architecture.to_owned()));
        OciPlatform { os, architecture, ..OciPlatform::default() }
    }

    #[test]
    fn an_image_has_to_be_for_this_kind_of_machine() {
        let name: ImageName = "shop:1".parse().unwrap();
        let ours = Platform { os: "linux".into(), architecture: "amd64".into() };
        let check = |offered: &[OciPlatform]| check_platforms(&name, offered, &ours);
        assert!(check(&[]).is_ok() && check(&[OciPlatform::default()]).is_ok());
        assert!(check(&[platform("arm64"), platform("amd64")]).is_ok());
        let error = check(&[platform("arm64"), platform("s390x")]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "docker.io/library/shop:1 is for linux/arm64, linux/s390x, and this engine runs linux/amd64"
        );
    }

    #[test]
    fn an_image_is_known_by_the_digest_of_its_own_registry() {
        let name: ImageName = "r.io/shop:1".parse().unwrap();
        let digest = |letter: &str| format!("sha256:{}", letter.repeat(64));
        let digests =
            vec![format!("q.io/shop@{}", digest("a")), format!("r.io/shop@{}", digest("b"))];
        let image = ImageInspect { repo_digests: Some(digests), ..ImageInspect::default() };
        assert_eq!(repo_digest(&image, &name), Some(digest("b")));
        assert_eq!(repo_digest(&ImageInspect::default(), &name), None);
    }

    #[test]
    fn what_a_registry_said_is_told_as_what_it_means() {
        let name: ImageName = "r.io/shop:1".parse().unwrap();
        let said = |status| EngineError::Refused { what: "ask", status, message: "no".into() };
        let told = |status| of_registry(&name, None, said(status)).to_string();
        assert_eq!(told(404), "there is no image r.io/shop:1: no");
        assert!(told(401).contains("[registries.\"r.io\"], with `username`"), "{}", told(401));
        assert_eq!(told(500), "the registry of r.io/shop:1 cannot be asked: no");
        let message = "Head \"https://r.io/v2/shop/manifests/1\": no basic auth credentials".into();
        let asks = EngineError::Refused { what: "ask", status: 500, message };
        assert!(!is_unreachable(&asks));
        assert!(matches!(of_registry(&name, None, asks), ImageError::Denied { .. }));
        assert!(is_unreachable(&said(500)) && !is_unreachable(&said(404)));
    }
}
