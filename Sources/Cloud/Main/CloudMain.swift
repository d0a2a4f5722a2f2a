// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Cloud
import Core

@main
enum CloudMain {
    static func main() async {
        ProcessProtection.forbidCoreDumps()
        await CloudCommand.main()
    }
}
