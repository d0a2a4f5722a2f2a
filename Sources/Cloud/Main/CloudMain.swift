// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Cloud

@main
enum CloudMain {
    static func main() async { await CloudCommand.main() }
}
