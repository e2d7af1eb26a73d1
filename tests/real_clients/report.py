"""Runs one module of unittest: a JSON line a test to standard output, everything else to standard error."""

import json
import os
import sys
import unittest

sys.path.insert(0, os.getcwd())
output, sys.stdout = sys.stdout, sys.stderr


class Report(unittest.TextTestResult):
    def _tell(self, test, passed):
        name = test.id().rsplit(".", 1)[1]
        print(json.dumps({"name": name, "passed": passed}), file=output, flush=True)

    def addSuccess(self, test):
        super().addSuccess(test)
        self._tell(test, True)

    def addError(self, test, error):
        super().addError(test, error)
        self._tell(test, False)

    def addFailure(self, test, error):
        super().addFailure(test, error)
        self._tell(test, False)

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        self._tell(test, False)


suite = unittest.defaultTestLoader.loadTestsFromName(sys.argv[1])
sys.exit(0 if unittest.TextTestRunner(sys.stderr, resultclass=Report, verbosity=2).run(suite).wasSuccessful() else 1)
