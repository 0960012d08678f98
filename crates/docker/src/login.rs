//! Who asks a registry: `[registries.NAME]`, and the password in our own environment.

use bollard::auth::DockerCredentials;
use driver::{Environment, Login};
use model::{ImageName, Registries};

use crate::error::ImageError;

/// Who asks for `image`, where `ours` is our own environment; nobody where no registry of that name is configured.
pub(crate) fn of(
    image: &ImageName,
    registries: &Registries,
    ours: &Environment,
) -> Result<Option<Login>, ImageError> {
    let Some(registry) = registries.get(&image.registry) else { return Ok(None) };
    let missing = || ImageError::Password {
        variable: registry.password_env.clone(),
        registry: image.registry.clone(),
    };
    let password = ours.get(&registry.password_env).and_then(|password| password.to_str());
    let password = password.filter(|password| !password.trim().is_empty()).ok_or_else(missing)?;
    Ok(Some(Login {
        registry: image.registry.clone(),
        username: registry.username.clone(),
        password: password.to_owned(),
    }))
}

/// As the engine takes it.
pub(crate) fn credentials(login: &Login) -> DockerCredentials {
    DockerCredentials {
        username: Some(login.username.clone()),
        password: Some(login.password.clone()),
        serveraddress: Some(login.registry.clone()),
        ..DockerCredentials::default()
    }
}

#[cfg(test)]
mod tests {
    use model::Registry;

    use super::*;

    #[test]
    fn a_registry_is_asked_as_its_user_and_never_without_the_password() {
        let image: ImageName = "r.example.com:5000/shop:1".parse().unwrap();
        let registry = Registry { username: "ci".into(), password_env: "PASSWORD".into() };
        let registries: Registries = [("r.example.com:5000".to_owned(), registry)].into();
        let ours: Environment = [("PASSWORD", "secret")].into_iter().collect();
        let login = of(&image, &registries, &ours).unwrap().unwrap();
        assert_eq!((login.username.as_str(), login.password.as_str()), ("ci", "secret"));
        assert!(!format!("{login:?}").contains("secret"));
        let error = of(&image, &registries, &Environment::default()).unwrap_err();
        assert!(error.to_string().starts_with("`PASSWORD` is not set"), "{error}");
        assert_eq!(of(&"shop:1".parse().unwrap(), &registries, &ours).unwrap(), None);
    }
}
