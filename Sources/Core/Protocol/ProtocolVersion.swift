// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

/// The version of the wire and of the product.
public enum ProtocolVersion {
    /// The wire this build speaks. Agents from the origin document send none and are version 0.
    public static let current = 1
    /// The product's version, the same in all three programs.
    public static let product = "0.1.0"
}
