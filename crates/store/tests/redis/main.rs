//! The store over real servers of Redis.

#[cfg(test)]
mod faults;
#[cfg(test)]
mod support;
#[cfg(test)]
mod together;
#[cfg(test)]
mod topologies;
#[cfg(test)]
mod turns;
