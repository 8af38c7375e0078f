//! Tests of `transport`: connect.
