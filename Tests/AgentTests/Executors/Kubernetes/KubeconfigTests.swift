// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Core
import NIOCore
import Testing

@testable import Agent

@Suite struct `A kubeconfig` {
    private static let text = """
        apiVersion: v1
        kind: Config
        clusters:
        - name: prod
          cluster: {server: "https://prod:6443", certificate-authority-data: Q0E=}
        - name: test
          cluster: {server: "https://test:6443/k8s/c-1", certificate-authority: ca.pem}
        users:
        - name: olga
          user: {client-certificate: /etc/olga.pem, client-key-data: S0VZ}
        - name: robot
          user: {token: abc}
        - name: pod
          user: {tokenFile: ../token}
        - name: nobody
        contexts:
        - name: prod-olga
          context: {cluster: prod, user: olga, namespace: web}
        - name: test-robot
          context: {cluster: test, user: robot}
        - name: test-pod
          context: {cluster: test, user: pod, namespace: ""}
        - name: prod-nobody
          context: {cluster: prod, user: nobody}
        - name: broken
          context: {cluster: none, user: robot}
        current-context: prod-olga
        """

    private func read(_ text: String = Self.text, _ context: String? = nil) throws(DeployError) -> Kubeconfig {
        try Kubeconfig(text, path: "/home/olga/.kube/config", context: context)
    }

    @Test func `gives the current context, or the one that is named`() throws {
        let current = try read()
        #expect(current.server == "https://prod:6443" && current.namespace == "web" && current.token == nil)
        #expect(current.authority == .inline(Array("CA".utf8)) && current.key == .inline(Array("KEY".utf8)))
        #expect(current.certificate == .file("/etc/olga.pem"))
        let robot = try read(Self.text, "test-robot")
        #expect(robot.token == .inline(Array("abc".utf8)) && robot.namespace == nil)
        #expect(robot.authority == .file("/home/olga/.kube/ca.pem"))
        let pod = try read(Self.text, "test-pod")
        #expect(pod.token == .file("/home/olga/.kube/../token") && pod.namespace == nil)
        let nobody = try read(Self.text, "prod-nobody")
        #expect(nobody.token == nil && nobody.certificate == nil)
    }

    @Test func `may be JSON`() throws {
        let json = """
            {"clusters": [{"name": "c", "cluster": {"server": "https://h:1"}}], "users": [{"name": "u", "user": {}}],
             "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}], "current-context": "x"}
            """
        #expect(try read(json).server == "https://h:1")
    }

    @Test(arguments: [
        ("none", "has no context 'none'"), ("broken", "has no cluster 'none'"),
    ])
    func `names what it does not have`(context: String, message: String) throws {
        let error = #expect(throws: DeployError.self) { try read(Self.text, context) }
        #expect(error?.code == .notFound && error?.message.contains(message) == true)
    }

    @Test(arguments: [
        ("token: abc", "exec: {command: aws, args: [eks]}", "has exec, which starts a program"),
        ("token: abc", "auth-provider: {name: gcp}", "has auth-provider"),
        ("token: abc", "{username: a, password: b}", "has username"),
        ("token: abc", "{token: a, as: admin}", "has as, and agents act under their own name"),
        (
            "server: \"https://test:6443/k8s/c-1\"", "{server: \"https://x\", insecure-skip-tls-verify: true}",
            "has insecure-skip-tls-verify, which would send the credentials to anybody"
        ),
        ("server: \"https://test:6443/k8s/c-1\"", "{server: \"https://x\", proxy-url: \"http://p\"}", "has proxy-url"),
    ])
    func `with what agents do not do is refused with a sentence`(old: String, new: String, message: String) throws {
        let inner = new.hasPrefix("{") ? String(new.dropFirst().dropLast()) : new
        let text = Self.text.replacing("{\(old)", with: "{\(inner)")
        let error = #expect(throws: DeployError.self) { try read(text, "test-robot") }
        #expect(error?.code == .unsupported && error?.message.contains(message) == true, "\(error?.message ?? "")")
    }

    @Test(arguments: ["", "- a", "a: b", "{", "current-context: x", "contexts: 3\ncurrent-context: x"])
    func `that is none is refused`(text: String) {
        #expect(throws: DeployError.self) { try read(text) }
    }

    @Test func `with half a certificate or bad base64 is refused`() {
        let half = Self.text.replacing(", client-key-data: S0VZ", with: "")
        #expect(throws: DeployError.self) { try read(half) }
        let bad = Self.text.replacing("S0VZ", with: "\"%%%\"")
        #expect(throws: DeployError.self) { try read(bad) }
    }
}

@Suite struct `The settings of a cluster` {
    private func read(_ yaml: String) throws -> KubernetesSettings {
        let settings = try ExecutorSettings(yaml: "executors: {k8s: {datasources: {main: \(yaml)}}}")
        var node = try #require(settings.executors.first { $0.type == "k8s" }).node
        let source = try #require(try node.nodes("datasources").first)
        return try KubernetesSettings(source.name, source.node)
    }

    @Test func `name one source`() throws {
        let file = try read("{kubeconfig: /etc/kubeconfig, context: prod, namespace: web, connect-timeout: 3s}")
        #expect(file.source == .kubeconfig(path: "/etc/kubeconfig", context: "prod") && file.namespace == "web")
        #expect(file.connectTimeout == .seconds(3) && file.secret == nil)
        let pod = try read("{in-cluster: true}")
        #expect(pod.source == .serviceAccount(directory: "/var/run/secrets/kubernetes.io/serviceaccount"))
        let server = try read("{server: \"https://10.0.0.1:6443\", token: {secret_ref: k8s}, ca-file: /etc/ca.pem}")
        #expect(server.secret?.name == "k8s" && server.authorityFile == "/etc/ca.pem")
    }

    @Test(arguments: [
        ("{}", "needs one of kubeconfig, in-cluster and server"),
        ("{kubeconfig: /a, in-cluster: true}", "needs one of"), ("{kubeconfig: a}", "is not an absolute path"),
        ("{in-cluster: true, context: x}", ".context is for a kubeconfig"),
        ("{kubeconfig: /a, token: {secret_ref: x}}", ".token is for a server"),
        ("{server: \"https://x\", token: abc}", "is not {secret_ref: NAME}"),
        ("{server: \"http://10.0.0.1\"}", "without TLS the token would go over the network in the open"),
        ("{server: \"ftp://x\"}", "is not https"), ("{server: x}", "is no address"),
        ("{kubeconfig: /a, namespace: \"../x\"}", ".namespace is not the name"),
        ("{kubeconfig: /a, tls: no}", ".tls is not a setting"),
    ])
    func `that are wrong are named`(yaml: String, message: String) {
        let error = #expect(throws: DeployError.self) { try read(yaml) }
        #expect(error?.message.contains(message) == true, "\(error?.message ?? "")")
    }

    @Test func `give addresses of all kinds`() throws {
        let address = try ClusterAddress("https://[::1]:6443/k8s/c-1/", path: "x")
        #expect(address.host == "::1" && address.port == 6443 && address.basePath == "/k8s/c-1")
        #expect(address.url == "https://[::1]:6443/k8s/c-1")
        #expect(try ClusterAddress("https://host", path: "x").port == 443)
        #expect(try ClusterAddress("http://127.0.0.1:8001", path: "x").isSecure == false)
        for text in ["https://", "https://h:0", "https://h:x", "https://u@h", "https://h/?a", "https://h:1 "] {
            #expect(throws: DeployError.self) { try ClusterAddress(text, path: "x") }
        }
    }
}

@Suite struct `What a connection is made of` {
    private func settings(_ source: KubernetesSettings.Source) throws -> KubernetesSettings {
        let node = try SettingsNode(.object(["kubeconfig": .string("/x")]), path: "here")
        var settings = try KubernetesSettings("main", node)
        settings.source = source
        return settings
    }

    @Test func `in a pod is its service account, whose token is read again`() async throws {
        try await withTemporaryDirectory { directory in
            for (name, text) in [("token", "first\n"), ("ca.crt", "CA"), ("namespace", "web\n")] {
                try write(text, to: "\(directory)/\(name)")
            }
            let own = try settings(.serviceAccount(directory: directory))
            let environment = ["KUBERNETES_SERVICE_HOST": "10.0.0.1", "KUBERNETES_SERVICE_PORT": "6443"]
            let material = try ClusterMaterial.read(own, TaskSecrets(), environment: environment)
            #expect(material.address.url == "https://10.0.0.1:6443" && material.namespace == "web")
            #expect(material.authority == Array("CA".utf8))
            let token = BearerToken(material.token)
            #expect(try token.current() == "first")
            try write("second", to: directory + "/token")
            #expect(try token.current() == "first")
            #expect(try token.current(fresh: true) == "second" && token.current() == "second")
            try write("two words", to: directory + "/token")
            #expect(throws: DeployError.self) { try token.current(fresh: true) }
            let error = #expect(throws: DeployError.self) {
                try ClusterMaterial.read(own, TaskSecrets(), environment: [:])
            }
            #expect(error?.code == .startFailed && error?.message.contains("does not run in a pod") == true)
        }
    }

    @Test func `that cannot be read fails the start and names the file`() throws {
        let own = try settings(.kubeconfig(path: "/no/such/kubeconfig", context: nil))
        let error = #expect(throws: DeployError.self) { try ClusterMaterial.read(own, TaskSecrets(), environment: [:]) }
        #expect(error?.code == .startFailed && error?.message.contains("/no/such/kubeconfig") == true)
        var material = ClusterMaterial(address: try ClusterAddress("https://h", path: "x"), namespace: "default")
        material.authority = Array("no PEM".utf8)
        #expect(throws: DeployError.self) { try material.tlsConfiguration() }
    }
}
