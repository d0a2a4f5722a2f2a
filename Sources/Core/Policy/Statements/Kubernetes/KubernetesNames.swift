// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

/// Verbs and kinds of Kubernetes, as the rules know them.
enum KubernetesNames {
    static let reading: Set<String> = [
        "api-resources", "api-versions", "auth", "cluster-info", "describe", "diff", "events", "explain", "get",
        "kustomize", "list",
        "logs", "options", "top", "version", "wait", "watch",
    ]
    static let changing: Set<String> = [
        "annotate", "apply", "autoscale", "create", "delete", "deletecollection", "expose", "label", "patch",
        "replace", "rollout", "run", "scale", "set", "update",
    ]
    static let refused: [String: String] = [
        "attach": "k8s.exec", "certificate": "k8s.rbac", "config": "k8s.identity", "cordon": "k8s.node",
        "cp": "k8s.exec", "debug": "k8s.exec", "drain": "k8s.node", "exec": "k8s.exec", "port-forward": "k8s.exec",
        "proxy": "k8s.exec", "taint": "k8s.node", "uncordon": "k8s.node", "evict": "k8s.node",
        "impersonate": "k8s.identity", "escalate": "k8s.rbac", "bind": "k8s.rbac", "approve": "k8s.rbac",
    ]
    /// Of these the ones that an agent performs where a policy allows them.
    static let entering: Set<String> = ["exec"]
    /// Options that choose another identity, cluster or trust.
    static let identity: Set<String> = [
        "as", "as-group", "as-uid", "as-user-extra", "certificate-authority", "client-certificate", "client-key",
        "cluster", "context",
        "insecure-skip-tls-verify", "kubeconfig", "password", "server", "tls-server-name", "token", "user", "username",
    ]
    static let systemNamespaces: Set<String> = ["kube-system", "kube-public", "kube-node-lease"]

    /// A resource or kind as one plain word in small letters: `Namespaces`, `ns` and `namespace.v1` are `namespace`.
    static func resource(_ text: String) -> String {
        let name = (text.split(separator: ".").first.map(String.init) ?? "").lowercased()
        if let known = short[name] { return known }
        if cluster.contains(name) || rbac.contains(name) || others.contains(name) { return name }
        if name.hasSuffix("ies") { return String(name.dropLast(3)) + "y" }
        if name.hasSuffix("classes") { return String(name.dropLast(2)) }
        return name.hasSuffix("s") && !name.hasSuffix("ss") ? String(name.dropLast()) : name
    }

    private static let short = [
        "ns": "namespace", "no": "node", "pv": "persistentvolume", "pvc": "persistentvolumeclaim",
        "crd": "customresourcedefinition", "crds": "customresourcedefinition", "sc": "storageclass",
        "pc": "priorityclass", "csr": "certificatesigningrequest", "sa": "serviceaccount", "cs": "componentstatus",
        "psp": "podsecuritypolicy", "po": "pod", "cm": "configmap",
    ]
    /// What belongs to no namespace.
    static let cluster: Set<String> = [
        "apiservice", "certificatesigningrequest", "clusterrole", "clusterrolebinding", "clustertrustbundle",
        "csidriver", "csinode", "customresourcedefinition", "deviceclass", "flowschema", "gatewayclass", "ingressclass",
        "ipaddress",
        "mutatingadmissionpolicy", "mutatingadmissionpolicybinding", "mutatingwebhookconfiguration", "namespace",
        "node", "persistentvolume", "podsecuritypolicy", "priorityclass", "prioritylevelconfiguration",
        "resourceslice", "runtimeclass", "servicecidr", "storageclass", "storageversionmigration",
        "validatingadmissionpolicy",
        "validatingadmissionpolicybinding", "validatingwebhookconfiguration", "volumeattachment",
        "volumeattributesclass", "volumesnapshotclass", "volumesnapshotcontent", "clusterissuer", "clusterpolicy",
    ]
    static let rbac: Set<String> = [
        "clusterrole", "clusterrolebinding", "role", "rolebinding", "certificatesigningrequest",
    ]
    private static let others: Set<String> = ["ingress", "endpoints", "secret"]

    /// Capabilities that reach the host.
    static let capabilities: Set<String> = [
        "ALL", "SYS_ADMIN", "SYS_PTRACE", "SYS_MODULE", "SYS_RAWIO", "SYS_BOOT", "SYS_TIME", "NET_ADMIN", "NET_RAW",
        "DAC_READ_SEARCH", "DAC_OVERRIDE", "MKNOD", "BPF", "PERFMON", "MAC_ADMIN", "MAC_OVERRIDE", "SYSLOG",
        "SYS_CHROOT", "SETFCAP", "LINUX_IMMUTABLE",
    ]
}
