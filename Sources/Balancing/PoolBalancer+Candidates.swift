/// Which endpoints are candidates.
extension PoolBalancer {
    /// What is counted before it is decided. Draining endpoints don't count.
    private struct Census {
        var primaries = 0
        var up = 0
        /// Up and not suspected.
        var usable = 0
        var backupsUp = 0
        var backupsUsable = 0
        /// Of `primaries` and of `usable`: those in the node's own zone.
        var local = 0
        var localUsable = 0
        /// Neither draining nor suspected, up or not.
        var unsuspected = 0
    }

    /// What makes an endpoint a candidate.
    private struct Test {
        var takesPrimaries = true
        var takesBackups = false
        var needsUp = true
        var needsUnsuspected = true
        var needsLocal = false

        func holds(for member: PoolShape.Member, _ standing: EndpointStanding) -> Bool {
            if standing.contains(.draining) { return false }
            if needsUp && !standing.contains(.up) { return false }
            if needsUnsuspected && standing.isAvoided { return false }
            if member.isBackup ? !takesBackups : !takesPrimaries { return false }
            return !needsLocal || member.isLocal
        }
    }

    /// Works out the candidates anew.
    mutating func refresh(
        _ loads: UnsafeMutablePointer<EndpointLoad>, now: UInt64, random: inout RandomSource
    ) {
        let test = unsafe decide(census(loads))
        let chosen = unsafe choose(test, loads)
        candidates.removeAll()
        refreshAt = .max
        if chosen == 0 {
            scope = .none
            return
        }
        // `hash` knows no slow start: a share that grows would move keys twice.
        if rules.slowStartNanoseconds == 0 || rules.policy == .hash {
            unsafe fill(loads, step: PoolShape.warmSteps, now: 0)
        } else {
            for step in 1...PoolShape.warmSteps { unsafe fill(loads, step: step, now: now) }
        }
        candidates.complete(&random)
    }

    private func census(_ loads: UnsafeMutablePointer<EndpointLoad>) -> Census {
        var census = Census()
        for index in 0..<count {
            let member = unsafe members[index]
            let standing = unsafe loads[Int(member.number)].standing
            if standing.contains(.draining) { continue }
            let isUp = standing.contains(.up)
            let isUsable = isUp && !standing.isAvoided
            if !standing.isAvoided { census.unsuspected += 1 }
            if member.isBackup {
                if isUp { census.backupsUp += 1 }
                if isUsable { census.backupsUsable += 1 }
            } else {
                census.primaries += 1
                if isUp { census.up += 1 }
                if isUsable { census.usable += 1 }
                if member.isLocal {
                    census.local += 1
                    if isUsable { census.localUsable += 1 }
                }
            }
        }
        return census
    }

    /// - `normal`: enough are up. Those that are suspected only when all are, and then the backups come first.
    /// - `backup`: too few are up, but there are backups.
    /// - `panic`: too few are up, and those left would have the load of all: spread it over all. Whoever is down anyway
    ///   costs a retry, and a health check that fails everywhere at once is likelier to be wrong than right.
    private mutating func decide(_ census: Census) -> Test {
        var test = Test()
        let isEnough = census.up > 0 && census.up * 100 >= Int(rules.panicPercent) * census.primaries
        if isEnough && census.usable > 0 {
            scope = .normal
            // The node's own zone as long as half of what it has there is usable: fewer would be overrun.
            test.needsLocal = census.localUsable > 0 && census.localUsable * 2 >= census.local
        } else if census.backupsUp > 0 {
            scope = .backup
            test.takesBackups = true
            test.needsUnsuspected = census.usable + census.backupsUsable > 0
        } else if isEnough {
            scope = .normal
            test.needsUnsuspected = false
        } else if rules.panicPercent > 0 {
            scope = .panic
            test.takesBackups = true
            test.needsUp = false
            test.needsUnsuspected = census.unsuspected > 0
        } else {
            scope = .none
            test.takesPrimaries = false
        }
        return test
    }

    /// Marks the candidates.
    ///
    /// - Returns: How many there are.
    private func choose(_ test: Test, _ loads: UnsafeMutablePointer<EndpointLoad>) -> Int {
        var chosen = 0
        for index in 0..<count {
            let member = unsafe members[index]
            let holds = unsafe test.holds(for: member, loads[Int(member.number)].standing)
            unsafe isChosen[index] = holds
            if holds { chosen += 1 }
        }
        guard let subset = rules.subsetCount, chosen > subset else { return chosen }
        return unsafe shape._withUnsafeGuaranteedRef { shape in
            guard let byRank = unsafe shape.byRank else { return chosen }
            var left = subset
            for rank in 0..<count {
                let index = unsafe Int(byRank[rank])
                guard unsafe isChosen[index] else { continue }
                if left == 0 { unsafe isChosen[index] = false } else { left -= 1 }
            }
            return subset
        }
    }

    /// Adds the candidates that are at a step of their slow start, by weight. `warmSteps` is the end of it.
    private mutating func fill(_ loads: UnsafeMutablePointer<EndpointLoad>, step: UInt32, now: UInt64) {
        let shape = unsafe shape.takeUnretainedValue()
        for place in 0..<count {
            let index = unsafe Int(shape.byWeight[place])
            guard unsafe isChosen[index] else { continue }
            let member = unsafe members[index]
            if rules.slowStartNanoseconds > 0 {
                let (reached, nextAt) = unsafe warmth(loads[Int(member.number)].warmSince, now)
                if reached != step { continue }
                refreshAt = min(refreshAt, nextAt)
            }
            candidates.append(member.number, weight: UInt32(member.weight) * step)
        }
    }

    /// The step of its slow start that an endpoint has reached, and when the next one comes.
    private func warmth(_ since: UInt64, _ now: UInt64) -> (step: UInt32, nextAt: UInt64) {
        let whole = rules.slowStartNanoseconds
        guard since > 0, now >= since, now - since < whole, rules.policy != .hash else {
            return (PoolShape.warmSteps, .max)
        }
        let steps = UInt64(PoolShape.warmSteps)
        let width = max(whole / steps, 1)
        let step = min((now - since) / width + 1, steps)
        return (UInt32(step), step < steps ? since + step * width : .max)
    }
}
