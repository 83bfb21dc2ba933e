//! A bounded TLRU cache.
#![no_std]
