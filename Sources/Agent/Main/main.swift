// Tiangong Deploy
// SPDX-License-Identifier: Apache-2.0

import Agent
import Core

ProcessProtection.forbidCoreDumps()
await AgentProgram.main()
