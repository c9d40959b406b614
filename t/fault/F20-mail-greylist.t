#!/usr/bin/perl

# A mail server that puts off: the same mail comes again, later, to the same
# recipient under the same Message-ID, and its link lives longer than that takes.

use strict;
use warnings;
use utf8;

use Portal::Fault;
use Portal::Outbox;
use Portal::Place qw(slurp);
use Portal::Test;

my $p = portal();

{
    my $to = address();
    $p->mail_fault('451 1');
    my $id = queue_mail($to);
    my $name = row($id)->{message_id};
    becomes($id, 'queued', '451: put off', attempts => 1, detail => qr/^smtp 451$/);
    is row($id)->{later}, 't', 'to a later time';
    is scalar(received($to)), 0, 'not received';
    due();
    becomes($id, 'sent', 'then sent', attempts => 2);
    my @got = received($to);
    is @got, 1, 'once';
    is $got[0]{id}, "<$name>", 'under the Message-ID that it had';
}

# it is tried again after 1, 2, 4 .. 60 minutes
{
    $p->mail_fault('451');
    my %minutes = (0 => 1, 1 => 2, 2 => 4, 3 => 8, 4 => 16, 5 => 32, 6 => 60, 40 => 60);
    my %ids = map { $_ => queue_mail(address(), attempts => $_) } keys %minutes;
    for my $before (sort { $a <=> $b } keys %minutes) {
        becomes($ids{$before}, 'queued', "put off for the time @{[ $before + 1 ]}", attempts => $before + 1,
            detail => qr/^smtp 451$/);
        # less what has gone by since
        my $left = $p->psql("select extract(epoch from next_try - now()) / 60 from portal.outbox where id = '$ids{$before}'");
        ok $left <= $minutes{$before} && $left > $minutes{$before} / 2, "for $minutes{$before} minutes" or diag $left;
    }
    $p->psql("delete from portal.outbox where state = 'queued'");
}

# a greylist: each sender and recipient is put off once
$p->mail_fault('grey');
my ($person, $page) = sign_up(client());
is $page->status, 303, 'grey: one may sign up';
my ($id, $name) = map { @$_ } $p->psql("select id, message_id from portal.outbox where recipient = '$person->{email}'");
my $other = queue_mail(my $to = address());
becomes($_, 'queued', 'grey: put off', attempts => 1, detail => qr/^smtp 451$/) for $id, $other;
is row($id)->{erased}, 'f', 'grey: the link waits, sealed';
ok $p->psql("select expires - next_try > interval '1 hour' from portal.outbox where id = '$id'") eq 't',
    'grey: and lives on for more than an hour after the next try';
due();
becomes($_, 'sent', 'grey: then sent', attempts => 2) for $id, $other;
is scalar(my @once = received($_)), 1, 'grey: once' for $person->{email}, $to;
my $mail = mail_to($person->{email});
is $mail->{id}, "<$name>", 'grey: under its Message-ID';
my @envelopes = grep { /\Q$person->{email}\E$/ } split /\n/, slurp($p->dir . '/smtp/triplets');
is_deeply \@envelopes, ["$mail->{headers}{'x-mail-from'} $person->{email}"], 'grey: in the same envelope';
is confirm(client(), $person, other => 1)->status, 303, 'grey: its link opens the account';

# the next mail of that pair is not put off any more
my $next = queue_mail($to);
becomes($next, 'sent', 'grey: who is known');
is row($next)->{attempts}, 1, 'at the first attempt';

done_testing;
