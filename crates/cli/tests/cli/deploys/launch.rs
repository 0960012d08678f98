//! What an instance finds when it starts.

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::time::{Duration, Instant};

use super::house::House;
use super::instance::{ROBBED, WANTED};

#[test]
fn an_instance_whose_port_is_taken_by_somebody_gets_another() {
    let house = House::new("deploy = { bake = \"100ms\" }\n");
    let path = house.sandbox.path();
    let (robbed, _thief) = std::thread::scope(|scope| {
        let deadline = Instant::now() + testkit::DEADLINE;
        let thief = scope.spawn(move || {
            let port: u16 = loop {
                assert!(Instant::now() < deadline, "it wants no port");
                match fs::read_to_string(path.join(WANTED)).unwrap_or_default().parse() {
                    Ok(port) => break port,
                    Err(_) => std::thread::sleep(Duration::from_millis(5)),
                }
            };
            let thief = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).unwrap();
            fs::write(path.join(ROBBED), "").unwrap();
            (port, thief)
        });
        house.promoted(&["robbed"]);
        thief.join().unwrap()
    });
    let service = house.service();
    let address = service["instances"][0]["address"].as_str().unwrap();
    assert!(!address.ends_with(&format!(":{robbed}")), "{service:#}");
    assert_eq!(house.is_in_order(1), "robbed");
}

#[test]
fn an_instance_is_given_what_its_env_file_says_when_it_starts() {
    let mut house = House::new("deploy = { bake = \"100ms\" }\n");
    let file = house.sandbox.path().join("given.env");
    house.change(", MARK = \"first\" }", " }\nenv_file = \"given.env\"");
    let refused = house.sandbox.plimsoll(&["deploy", "api", "2"]);
    assert_eq!(refused.code, Some(3), "there is no such file: {refused:#?}");
    assert!(refused.stderr.contains("given.env"), "{refused:#?}");
    fs::write(&file, "# of today\nexport MARK='of the file'\n").unwrap();
    house.promoted(&["2"]);
    assert_eq!(house.mark(), "of the file");
    fs::write(&file, "MARK=changed\n").unwrap();
    house.loses_its_instance();
    assert_eq!(house.mark(), "changed", "a secret may be changed without a deploy");
}
