//! Releases that are replaced while clients of every kind ask, releases that are bad in every way,
//! and everything at once in any order.

mod account;
mod api;
mod bad;
mod chaos;
mod clients;
mod crashes;
mod house;
mod instance;
mod judged;
mod launch;
mod matrix;
mod recipe;
